#include "hook/hook.h"

#include <ATen/Parallel.h>

#include <utility>

namespace lmgc::hook {

using FuturePtr = c10::intrusive_ptr<c10::ivalue::Future>;

Hook::Hook(std::vector<collective::Members> groups, c10::intrusive_ptr<c10d::ProcessGroup> owner,
           std::shared_ptr<const codec::Codec> codec, Histories histories)
    : alone_(groups.front().world_size() == 1),
      histories_(std::move(histories)),
      averager_(std::move(groups), std::move(owner), std::move(codec)),
      // OpenMP counts for each thread: those of the hook do as the one that registers it.
      pipeline_(averager_.stages(), at::get_num_threads()) {}

Hook::~Hook() { close(); }

FuturePtr Hook::run(const c10d::GradBucket& bucket) {
  auto future = c10::make_intrusive<c10::ivalue::Future>(c10::TensorType::get());
  if (alone_ || bucket.getBuffer().numel() == 0) {
    future->markCompleted(bucket.getBuffer());
    return future;
  }
  auto flight = std::make_shared<Flight>();
  flight->bucket = {static_cast<std::int64_t>(bucket.getIndex()), bucket.getBuffer(), {}};
  flight->future = future;
  for (const at::Tensor& parameter : bucket.getParameters()) {
    const auto found = histories_.find(parameter.unsafeGetTensorImpl());
    flight->bucket.parameters.push_back(
        {parameter.sizes().vec(), found != histories_.end() ? found->second : nullptr});
  }
  if (!pipeline_.submit(flight)) averager_.fail(*flight, "the hook is closed");
  return future;
}

void Hook::close() { pipeline_.stop(); }

}  // namespace lmgc::hook
