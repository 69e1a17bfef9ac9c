#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

namespace lmgc::communicator {

/// Values of a device on the host: copied there, and a result back, on a stream of their own, so
/// that nobody waits for anything else that the device does.
class HostCopy {
 public:
  /// Starts to copy what this thread's stream makes of `values`.
  explicit HostCopy(const at::Tensor& values);

  /// In pinned memory; there after wait().
  [[nodiscard]] const at::Tensor& values() const { return host_; }
  void wait() const { copied_.synchronize(); }

  /// Completes a future of the device with a copy of a host tensor like values(), which it
  /// overwrites.
  void complete(c10::ivalue::Future& future, const at::Tensor& result);

 private:
  c10::Stream stream_;
  at::Tensor host_;
  c10::Event copied_;
};

}  // namespace lmgc::communicator
