#include "communicator/communicator.h"

#include <ATen/core/grad_mode.h>

#include <stdexcept>
#include <torch/csrc/distributed/c10d/GroupRegistry.hpp>
#include <utility>

#include "codec/observe.h"
#include "collective/device_transfer.h"
#include "collective/roll_call.h"
#include "collective/wait.h"
#include "communicator/reason.h"
#include "communicator/timed.h"

namespace lmgc::communicator {
namespace {

bool is_registered(const c10::intrusive_ptr<c10d::ProcessGroup>& group) {
  try {
    return c10d::resolve_process_group(group->getGroupName()) == group;
  } catch (const std::exception&) {
    return false;
  }
}

void check(const Flight& flight, const c10::intrusive_ptr<c10d::ProcessGroup>& owner) {
  if (!is_registered(owner)) {
    throw std::runtime_error(
        "the process group was destroyed; call dist.destroy_process_group() after the last "
        "backward");
  }
  if (flight.values.layout() != at::kStrided) {
    throw std::runtime_error(
        "its gradient is sparse; build the embedding with sparse=False, or train it outside of "
        "DDP");
  }
}

bool takes_part(const Flight& flight, std::size_t round) {
  const Operation::Rounds rounds = flight.operation->rounds();
  return round >= rounds.first && round < rounds.end;
}

}  // namespace

Communicator::Communicator(collective::Roster roster, std::vector<collective::Members> exchanges,
                           c10::intrusive_ptr<c10d::ProcessGroup> owner, int threads)
    : roster_(std::move(roster)),
      exchanges_([&] {
        std::vector<Exchange> all;
        for (collective::Members& members : exchanges) all.push_back({std::move(members)});
        return all;
      }()),
      owner_(std::move(owner)),
      pipeline_(stages(), threads) {}

Communicator::~Communicator() {
  close();
  // A group ends only when its last collective does, which may be at its timeout. Nobody waits for
  // that, and no other thread may end it while the interpreter does: it is left to the process.
  // In a forked child, where a group has no threads, none ends.
  for (Exchange& exchange : exchanges_) {
    if (!exchange.usable || !is_here()) static_cast<void>(exchange.members.group.release());
  }
}

void Communicator::close() {
  if (!is_here()) return;
  std::call_once(closed_, [this] {
    pipeline_.stop();
    for (const Exchange& exchange : exchanges_) {
      collective::end_device(exchange.members, !exchange.usable);
    }
  });
}

void Communicator::submit(const std::shared_ptr<Flight>& flight) {
  if (!is_here()) {
    return reject(*flight,
                  "threads and connections stay with the process that registered it, and this one "
                  "was forked from that; start it by spawn, with a process group of its own");
  }
  if (!pipeline_.submit(flight)) fail(*flight, "it is closed");
}

std::vector<Stage> Communicator::stages() {
  const auto computing = [this](auto run) {
    return [this, run](Flight& flight, const std::stop_token& stop) {
      const at::NoGradGuard no_grad;
      if (stop.stop_requested()) {
        fail(flight, flight.failure.value_or("closed while it was under way"));
        return false;
      }
      run(flight, stop);
      return true;
    };
  };
  std::vector<Stage> stages;
  for (std::size_t round = 0; round < exchanges_.size(); ++round) {
    stages.emplace_back(computing([this, round](Flight& flight, const std::stop_token& stop) {
      prepare(round, flight, stop);
    }));
    stages.emplace_back([this, round](Flight& flight, const std::stop_token& stop) {
      return !takes_part(flight, round) || exchange(round, flight, stop);
    });
  }
  stages.emplace_back(computing([this](Flight& flight, auto&) { finish(flight); }));
  return stages;
}

void Communicator::fail(Flight& flight, const std::string& reason) {
  remember(flight, reason);
  reject(flight, reason);
}

void Communicator::reject(Flight& flight, const std::string& reason) {
  if (!flight.future->completed()) flight.future->setError(error(flight, reason));
}

std::exception_ptr Communicator::error(const Flight& flight, const std::string& reason) const {
  return std::make_exception_ptr(std::runtime_error(
      std::string("lmgc_torch ") + flight.caller + " on " + roster_.name(roster_.own) + ", " +
      flight.noun + " " + std::to_string(flight.index) + ": " + reason));
}

void Communicator::remember(const Flight& flight, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!failure_ || flight.number < failure_->flight) failure_ = {flight.number, reason};
}

std::optional<std::string> Communicator::failure_before(const Flight& flight) {
  const std::lock_guard lock(mutex_);
  if (!failure_ || failure_->flight >= flight.number) return std::nullopt;
  return failure_->reason;
}

template <typename Work>
void Communicator::contribute(Flight& flight, const Work& work) {
  if (std::holds_alternative<std::string>(flight.outgoing.content)) return;
  try {
    if (const auto failure = failure_before(flight)) throw std::runtime_error(*failure);
    work();
  } catch (const std::exception& error) {
    flight.outgoing.content = reason_of(error);
  }
}

void Communicator::prepare(std::size_t round, Flight& flight, const std::stop_token& stop) {
  if (round == 0) flight.number = flights_++;
  if (!takes_part(flight, round)) return;
  contribute(flight, [&] {
    if (round == flight.operation->rounds().first) {
      check(flight, owner_);
      if (flight.there) flight.there->synchronize();
      if (flight.after) collective::wait(*flight.after, stop);
      flight.counters.raw_bytes = static_cast<std::int64_t>(flight.values.nbytes());
      flight.outgoing.raw_bytes = flight.counters.raw_bytes;
    }
    flight.operation->prepare(round, flight);
  });
  flight.outgoing.key = flight.index ^ flight.unit << 32 ^ flight.kind;
  flight.outgoing.subject = flight.noun + (" " + std::to_string(flight.index)) + flight.described;
  flight.outgoing.noun = flight.noun;
  flight.outgoing.remedy = flight.remedy;
}

void Communicator::finish(Flight& flight) {
  if (flight.failure) return fail(flight, *flight.failure);
  at::Tensor result;
  try {
    if (const auto failure = failure_before(flight)) throw std::runtime_error(*failure);
    result = flight.operation->result(flight);
    if (flight.learns) {
      const Timed timed("lmgc::observe", flight.index, flight.counters.observe_seconds);
      codec::observe(result, flight.parameters);
    }
  } catch (const std::exception& error) {
    return fail(flight, reason_of(error));
  }
  stats_.add(flight.tally, flight.counters);
  flight.future->markCompleted(result);
}

std::string Communicator::lost(const std::string& symptom, const std::stop_token& stop) const {
  if (stop.stop_requested()) return symptom;  // this is the rank that the others will miss
  const std::string silent = collective::silent_ranks(roster_, stop);
  return "lost " + (silent.empty() ? "a peer" : silent) + " or ran out of time: " + symptom +
         "; restart from the last checkpoint";
}

bool Communicator::exchange(std::size_t round, Flight& flight, const std::stop_token& stop) {
  Exchange& exchange = exchanges_[round];
  contribute(flight, [] {});  // an earlier flight may have failed meanwhile
  const auto* own_reason = std::get_if<std::string>(&flight.outgoing.content);
  bool agreed = false;
  try {
    if (!exchange.usable) throw std::runtime_error(*own_reason);  // it is that failure's
    const Timed timed("lmgc::wire", flight.index, flight.counters.wire_seconds);
    flight.incoming = collective::exchange(exchange.members, flight.outgoing, flight.limit, stop);
    flight.counters.sent_bytes += flight.incoming.sent_bytes;
    return true;
  } catch (const collective::AgreedError& error) {
    // Told to all who take part later, before this rank's user may end the process.
    agreed = true;
    if (!flight.failure) flight.failure = error.what();
  } catch (const std::exception& error) {
    exchange.usable = false;
    if (!flight.failure) {
      flight.failure = own_reason != nullptr ? *own_reason : lost(reason_of(error), stop);
    }
    fail(flight, *flight.failure);  // no later exchange need end soon
  }
  if (agreed && flight.independent) {
    reject(flight, *flight.failure);
    return false;
  }
  if (agreed) remember(flight, *flight.failure);
  flight.outgoing.content = *flight.failure;
  return true;
}

}  // namespace lmgc::communicator
