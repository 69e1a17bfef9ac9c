#include "communicator/delivery.h"

#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdint>
#include <utility>

#include "collective/device_transfer.h"

namespace lmgc::communicator {
namespace {

at::Tensor pinned_for(const std::vector<at::Tensor>& outputs, const at::Tensor& pinned) {
  std::int64_t count = 0;
  for (const at::Tensor& output : outputs) count += output.numel();
  if (pinned.numel() == count) return pinned;
  return at::empty({count}, pinned.options().pinned_memory(true));
}

}  // namespace

void deliver(const at::Tensor& result, const std::vector<at::Tensor>& outputs) {
  const c10::InferenceMode inference;  // outputs may be its tensors
  std::int64_t start = 0;
  for (const at::Tensor& output : outputs) {
    output.copy_(result.narrow(0, start, output.numel()).view(output.sizes()),
                 /*non_blocking=*/true);
    start += output.numel();
  }
}

DeviceDelivery::DeviceDelivery(std::vector<at::Tensor> outputs, const at::Tensor& pinned)
    : outputs_(std::move(outputs)),
      stream_(collective::new_stream(outputs_.front().device())),
      host_(pinned_for(outputs_, pinned)) {}

void DeviceDelivery::start(const at::Tensor& result) {
  deliver(result, {host_});
  const c10::StreamGuard guard(stream_);
  deliver(host_, outputs_);
  // The caching allocator gives their memory to nobody else before the copies are done.
  const c10::impl::VirtualGuardImpl device(stream_.device_type());
  for (const at::Tensor& output : outputs_) {
    device.recordDataPtrOnStream(output.storage().data_ptr(), stream_);
  }
}

}  // namespace lmgc::communicator
