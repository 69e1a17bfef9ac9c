#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

/// What the model asks of CUDA's runtime beside its kernels.
namespace lmgc::model::cuda {

/// The caller's, on the current device: a cudaStream_t.
[[nodiscard]] void* current_stream();
/// Until it has done what it was given.
void wait_for_stream();
/// Throws c10::Error if a kernel could not start.
void check_launches();
/// Of tensors on the host that the device reads and writes itself, in its stream's order.
[[nodiscard]] at::TensorOptions pinned();
/// Memory that `device` has room for now.
[[nodiscard]] std::int64_t free_bytes(c10::Device device);

/// Tokens that go through the layers together, where there are as many: enough to fill a device.
/// Fewer in tests on the host.
[[nodiscard]] std::int64_t pass_rows();

/// What the current stream has been given so far.
class Moment {
 public:
  Moment();
  Moment(const Moment&) = delete;
  Moment& operator=(const Moment&) = delete;
  ~Moment();

  /// Until that is done.
  void wait() const;

 private:
  void* event_;  // a cudaEvent_t
};

/// Of the current device, as are the next.
[[nodiscard]] std::int64_t multiprocessors();
/// That a block can have.
[[nodiscard]] std::int64_t shared_bytes();
/// Whether it is a Hopper, for whose products of warpgroups there is machine code here.
[[nodiscard]] bool has_warpgroup_products();
/// Whether a kernel may start before the one before it has ended: those here wait for it then.
[[nodiscard]] bool kernels_may_overlap();

}  // namespace lmgc::model::cuda
