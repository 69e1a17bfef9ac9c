#include "hook/hook.h"

#include <ATen/Parallel.h>

#include <stdexcept>
#include <utility>

namespace lmgc::hook {
namespace {

using FuturePtr = c10::intrusive_ptr<c10::ivalue::Future>;

void fail(const FuturePtr& future, const std::string& message) {
  future->setError(std::make_exception_ptr(std::runtime_error(message)));
}

void complete(Averager& averager, const Bucket& bucket, const FuturePtr& future,
              const std::stop_token& stop) {
  at::Tensor average;
  try {
    average = averager.average(bucket, stop);
  } catch (const std::exception& error) {
    fail(future, error.what());
    return;
  }
  future->markCompleted(average);
}

}  // namespace

Hook::Hook(collective::Members members, c10::intrusive_ptr<c10d::ProcessGroup> owner,
           std::shared_ptr<const codec::Codec> codec, Histories histories)
    : alone_(members.world_size() == 1),
      histories_(std::move(histories)),
      averager_(std::move(members), std::move(owner), std::move(codec)) {
  // OpenMP counts for each thread: the worker's is that of the thread that registers the hook.
  static_cast<void>(worker_.submit(
      [threads = at::get_num_threads()](const std::stop_token&) { at::set_num_threads(threads); }));
}

Hook::~Hook() { close(); }

FuturePtr Hook::run(const c10d::GradBucket& bucket) {
  auto future = c10::make_intrusive<c10::ivalue::Future>(c10::TensorType::get());
  if (alone_ || bucket.getBuffer().numel() == 0) {
    future->markCompleted(bucket.getBuffer());
    return future;
  }
  Bucket job{static_cast<std::int64_t>(bucket.getIndex()), bucket.getBuffer(), {}};
  for (const at::Tensor& parameter : bucket.getParameters()) {
    const auto found = histories_.find(parameter.unsafeGetTensorImpl());
    job.parameters.push_back(
        {parameter.sizes().vec(), found != histories_.end() ? found->second : nullptr});
  }
  const std::int64_t index = job.index;
  const bool accepted =
      worker_.submit([this, job = std::move(job), future](const std::stop_token& stop) {
        complete(averager_, job, future, stop);
      });
  if (!accepted) fail(future, averager_.prefix(index) + "the hook is closed");
  return future;
}

void Hook::close() { worker_.stop(); }

}  // namespace lmgc::hook
