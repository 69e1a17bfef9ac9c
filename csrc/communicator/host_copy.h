#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Event.h>

#include <memory>

/// Values of a device on the host, and a result back, on streams of their own, so that nobody waits
/// for anything else that the device does.
namespace lmgc::communicator {

/// When the device has come to this place of the thread's stream.
[[nodiscard]] std::shared_ptr<const c10::Event> reached(c10::Device device);

struct HostCopy {
  at::Tensor values;  ///< in pinned memory
  std::shared_ptr<const c10::Event> there;
};

/// Starts to copy what this thread's stream makes of `values`.
[[nodiscard]] HostCopy copy_to_host(const at::Tensor& values);

/// Completes a future of the device with a copy of `result`, which is in pinned memory.
void complete(c10::ivalue::Future& future, const at::Tensor& result, c10::Device device);

}  // namespace lmgc::communicator
