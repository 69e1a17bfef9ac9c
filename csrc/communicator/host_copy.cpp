#include "communicator/host_copy.h"

#include <ATen/Functions.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace lmgc::communicator {

HostCopy::HostCopy(const at::Tensor& values)
    : stream_(c10::impl::VirtualGuardImpl(values.device().type())
                  .getStreamFromGlobalPool(values.device())),
      host_(at::empty(values.sizes(), values.options().device(at::kCPU).pinned_memory(true))),
      copied_(values.device().type()) {
  const c10::impl::VirtualGuardImpl device(values.device().type());
  c10::Event made(values.device().type());
  made.record(device.getStream(values.device()));
  made.block(stream_);
  const c10::StreamGuard guard(stream_);
  host_.copy_(values, /*non_blocking=*/true);
  // The caching allocator gives its memory to nobody else before the copy is done.
  device.recordDataPtrOnStream(values.storage().data_ptr(), stream_);
  copied_.record(stream_);
}

void HostCopy::complete(c10::ivalue::Future& future, const at::Tensor& result) {
  host_.copy_(result);
  const c10::StreamGuard guard(stream_);
  at::Tensor returned =
      at::empty(host_.sizes(), host_.options().device(stream_.device()).pinned_memory(false));
  returned.copy_(host_, /*non_blocking=*/true);
  future.markCompleted(returned);  // its users' streams wait for this one
}

}  // namespace lmgc::communicator
