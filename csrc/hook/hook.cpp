#include "hook/hook.h"

#include <utility>

namespace lmgc::hook {

using communicator::Communicator;
using communicator::Flight;
using communicator::Operation;

namespace {

std::shared_ptr<Operation> averaging(const Communicator& communicator,
                                     std::vector<std::vector<std::size_t>> hosts) {
  if (!hosts.empty()) {
    return communicator::reduce_by_hosts(communicator.members(0), communicator.members(1),
                                         std::move(hosts));
  }
  const collective::Members& members = communicator.members(0);
  return members.world_size() > 2 ? communicator::reduce_shards(members)
                                  : communicator::reduce_whole(members);
}

}  // namespace

Hook::Hook(std::shared_ptr<Communicator> communicator, std::vector<std::vector<std::size_t>> hosts,
           std::shared_ptr<const codec::Codec> codec, Histories histories)
    : communicator_(std::move(communicator)),
      average_(averaging(*communicator_, std::move(hosts))),
      codec_(std::move(codec)),
      histories_(std::move(histories)) {}

c10::intrusive_ptr<c10::ivalue::Future> Hook::run(const c10d::GradBucket& bucket) {
  const auto flight = std::make_shared<Flight>();
  flight->caller = "hook";
  flight->noun = "bucket";
  flight->remedy = "wrap the same model with the same DDP arguments on every rank";
  flight->index = static_cast<std::int64_t>(bucket.getIndex());
  flight->tally = flight->index;
  flight->values = bucket.getBuffer();
  const auto world_size = static_cast<std::int64_t>(communicator_->roster().global_ranks.size());
  if (world_size == 1 || bucket.getBuffer().numel() == 0) {
    flight->future->markCompleted(bucket.getBuffer());
    return flight->future;
  }
  flight->divisor = world_size;
  for (const at::Tensor& parameter : bucket.getParameters()) {
    const auto found = histories_.find(parameter.unsafeGetTensorImpl());
    flight->parameters.push_back(
        {parameter.sizes().vec(), found != histories_.end() ? found->second : nullptr});
  }
  flight->codec = codec_;
  flight->operation = average_;
  communicator_->submit(flight);
  return flight->future;
}

}  // namespace lmgc::hook
