#include "hook/averager.h"

#include <ATen/core/grad_mode.h>

#include <stdexcept>
#include <torch/csrc/distributed/c10d/GroupRegistry.hpp>
#include <utility>

#include "codec/observe.h"
#include "collective/roll_call.h"
#include "hook/reason.h"
#include "hook/timed.h"

namespace lmgc::hook {
namespace {

bool is_registered(const c10::intrusive_ptr<c10d::ProcessGroup>& group) {
  try {
    return c10d::resolve_process_group(group->getGroupName()) == group;
  } catch (const std::exception&) {
    return false;
  }
}

void check(const Bucket& bucket, const c10::intrusive_ptr<c10d::ProcessGroup>& owner) {
  if (!is_registered(owner)) {
    throw std::runtime_error(
        "DDP's process group was destroyed; call dist.destroy_process_group() after the last "
        "backward");
  }
  if (bucket.values.layout() != at::kStrided) {
    throw std::runtime_error(
        "its gradient is sparse; build the embedding with sparse=False, or train it outside of "
        "DDP");
  }
}

}  // namespace

Averager::Averager(std::vector<collective::Members> groups,
                   c10::intrusive_ptr<c10d::ProcessGroup> owner,
                   std::shared_ptr<const codec::Codec> codec)
    : owner_(std::move(owner)) {
  for (collective::Members& members : groups) groups_.push_back({std::move(members)});
  reduction_ = groups_.size() > 1 ? reduce_shards(members(), std::move(codec))
                                  : reduce_whole_buckets(members(), std::move(codec));
}

Averager::~Averager() {
  // A group ends only when its last collective does, which may be at its timeout. Nobody waits for
  // that, and no other thread may end it while the interpreter does: it is left to the process.
  for (Group& group : groups_) {
    if (!group.usable) static_cast<void>(group.members.group.release());
  }
}

std::vector<Stage> Averager::stages() {
  const auto of_group = [this](std::size_t group) {
    return [this, group](Flight& flight, const std::stop_token& stop) {
      return exchange(group, flight, stop);
    };
  };
  const auto stage = [this](bool (Averager::*run)(Flight&)) {
    return [this, run](Flight& flight, const std::stop_token& stop) {
      const at::NoGradGuard no_grad;
      if (!stop.stop_requested()) return (this->*run)(flight);
      fail(flight, "closed while it was under way");
      return false;
    };
  };
  if (groups_.size() == 1) {
    return {stage(&Averager::encode), of_group(0), stage(&Averager::finish)};
  }
  return {stage(&Averager::encode), of_group(0), stage(&Averager::reduce), of_group(1),
          stage(&Averager::finish)};
}

void Averager::fail(Flight& flight, const std::string& reason) {
  remember(flight, reason);
  if (flight.future->completed()) return;
  flight.future->setError(std::make_exception_ptr(
      std::runtime_error("lmgc_torch hook on " + members().name(members().rank()) + ", bucket " +
                         std::to_string(flight.bucket.index) + ": " + reason)));
}

void Averager::remember(const Flight& flight, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!failure_ || flight.number < failure_->flight) failure_ = {flight.number, reason};
}

std::optional<std::string> Averager::failure_before(const Flight& flight) {
  const std::lock_guard lock(mutex_);
  if (!failure_ || failure_->flight >= flight.number) return std::nullopt;
  return failure_->reason;
}

template <typename Work>
void Averager::contribute(Flight& flight, const Work& work) {
  if (std::holds_alternative<std::string>(flight.outgoing.content)) return;
  try {
    if (const auto failure = failure_before(flight)) throw std::runtime_error(*failure);
    work();
  } catch (const std::exception& error) {
    flight.outgoing.content = reason_of(error);
  }
}

bool Averager::encode(Flight& flight) {
  flight.number = flights_++;
  contribute(flight, [&] {
    check(flight.bucket, owner_);
    flight.counters.raw_bytes = static_cast<std::int64_t>(flight.bucket.values.nbytes());
    reduction_->encode(flight);
  });
  flight.outgoing.bucket = flight.bucket.index;
  flight.outgoing.raw_bytes = flight.counters.raw_bytes;
  return true;
}

bool Averager::reduce(Flight& flight) {
  contribute(flight, [&] { reduction_->reduce(flight); });
  return true;
}

bool Averager::finish(Flight& flight) {
  at::Tensor average;
  try {
    if (const auto failure = failure_before(flight)) throw std::runtime_error(*failure);
    average = reduction_->average(flight);
    const Timed timed("lmgc::observe", flight.bucket.index, flight.counters.observe_seconds);
    codec::observe(average, flight.bucket.parameters);
  } catch (const std::exception& error) {
    fail(flight, reason_of(error));
    return false;
  }
  flight.counters.buckets = 1;
  stats_.add(flight.bucket.index, flight.counters);
  flight.future->markCompleted(average);
  return true;
}

/// What a broken group means.
std::string Averager::lost(const std::string& symptom, const std::stop_token& stop) const {
  if (stop.stop_requested()) return symptom;  // this is the rank that the others will miss
  const std::string silent = collective::silent_ranks(members(), stop);
  return "lost " + (silent.empty() ? "a peer" : silent) + " or ran out of time: " + symptom +
         "; restart from the last checkpoint";
}

bool Averager::exchange(std::size_t index, Flight& flight, const std::stop_token& stop) {
  Group& group = groups_[index];
  contribute(flight, [] {});  // an earlier flight may have failed meanwhile
  const auto* own_reason = std::get_if<std::string>(&flight.outgoing.content);
  std::string reason;
  try {
    if (!group.usable) throw std::runtime_error(*own_reason);  // it is that failure's
    const Timed timed("lmgc::wire", flight.bucket.index, flight.counters.wire_seconds);
    flight.incoming = collective::exchange(group.members, flight.outgoing, flight.limit, stop);
    flight.counters.sent_bytes += flight.incoming.sent_bytes;
    return true;
  } catch (const collective::AgreedError& error) {
    fail(flight, error.what());
    return false;
  } catch (const std::exception& error) {
    group.usable = false;
    reason = own_reason != nullptr ? *own_reason : lost(reason_of(error), stop);
  }
  fail(flight, reason);
  // Peers that wait in the next exchange hear of it there.
  flight.outgoing.content = reason;
  return index + 1 < groups_.size() && !stop.stop_requested();
}

}  // namespace lmgc::hook
