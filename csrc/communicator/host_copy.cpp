#include "communicator/host_copy.h"

#include <ATen/Functions.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "collective/device_transfer.h"

namespace lmgc::communicator {

std::shared_ptr<const c10::Event> reached(c10::Device device) {
  const auto event = std::make_shared<c10::Event>(device.type());
  event->record(c10::impl::VirtualGuardImpl(device.type()).getStream(device));
  return event;
}

HostCopy copy_to_host(const at::Tensor& values) {
  const c10::Device device = values.device();
  const at::Tensor host =
      at::empty(values.sizes(), values.options().device(at::kCPU).pinned_memory(true));
  const auto made = reached(device);
  const c10::StreamGuard guard(collective::new_stream(device));
  made->block(guard.current_stream());
  host.copy_(values, /*non_blocking=*/true);
  // The caching allocator gives its memory to nobody else before the copy is done.
  c10::impl::VirtualGuardImpl(device.type())
      .recordDataPtrOnStream(values.storage().data_ptr(), guard.current_stream());
  return {host, reached(device)};
}

void complete(c10::ivalue::Future& future, const at::Tensor& result, c10::Device device) {
  const c10::StreamGuard guard(collective::new_stream(device));
  at::Tensor returned =
      at::empty(result.sizes(), result.options().device(device).pinned_memory(false));
  returned.copy_(result, /*non_blocking=*/true);
  future.markCompleted(returned);  // its users' streams wait for this one
}

}  // namespace lmgc::communicator
