#include "hook/hook.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "collective/agreement.h"
#include "collective/device_transfer.h"
#include "communicator/host_copy.h"
#include "communicator/reason.h"
#include "hook/device_timer.h"
#include "hook/units.h"

namespace lmgc::hook {

using communicator::Communicator;
using communicator::Flight;
using communicator::Operation;
using FuturePtr = c10::intrusive_ptr<c10::ivalue::Future>;
using Hosts = std::vector<std::vector<std::size_t>>;

namespace {

using Clock = std::chrono::steady_clock;

std::shared_ptr<Operation> averaging(const Communicator& communicator, const Hosts& hosts) {
  if (!hosts.empty()) {
    return communicator::reduce_by_hosts(communicator.members(0), communicator.members(1), hosts);
  }
  return communicator::reduce(communicator.members(0));
}

std::vector<std::size_t> neighbours_of(std::size_t rank, const Hosts& hosts) {
  for (const auto& host : hosts) {
    if (std::ranges::find(host, rank) != host.end()) return host;
  }
  return {};
}

/// Of all futures. Throws the first error.
std::vector<at::Tensor> values_of(const c10::List<FuturePtr>& futures) {
  std::vector<at::Tensor> values;
  for (const FuturePtr& future : futures.vec()) {
    if (future->hasError()) std::rethrow_exception(future->exception_ptr());
    values.push_back(future->value().toTensor());
  }
  return values;
}

}  // namespace

Hook::Hook(std::shared_ptr<Communicator> communicator, Hosts hosts, std::vector<Preset> presets,
           std::optional<collective::Members> planning)
    : communicator_(std::move(communicator)),
      hosts_(std::move(hosts)),
      average_(averaging(*communicator_, hosts_)),
      staged_average_(communicator::reduce_staged(communicator_->members(0))),
      presets_(std::move(presets)),
      planning_(std::move(planning)) {
  if (!planning_) return;
  std::vector<std::string> names;
  for (const Preset& preset : presets_) names.push_back(preset.name);
  const auto rounds = static_cast<std::int64_t>(average_->rounds().end);
  planner_.emplace(
      std::move(names), planning_->world_size(), rounds,
      Instruments{.now_ns = [] { return Clock::now().time_since_epoch().count(); },
                  .counters = [this] { return communicator_->stats().snapshot(); },
                  .largest =
                      [this](const std::vector<std::int64_t>& numbers) {
                        return collective::largest(*planning_, numbers, stop_.get_token());
                      },
                  .link =
                      [this] {
                        return measure_link(*planning_,
                                            neighbours_of(communicator_->roster().own, hosts_),
                                            stop_.get_token());
                      }});
}

Hook::~Hook() {
  // See Communicator's.
  if (planning_ && (planning_failed_ || !communicator_->is_here()))
    static_cast<void>(planning_->group.release());
}

void Hook::close() {
  if (!communicator_->is_here() || !stop_.request_stop()) return;  // it is closed
  communicator_->close();
  if (planning_) collective::end_device(*planning_, planning_failed_);
}

std::shared_ptr<Flight> Hook::make_flight(const c10d::GradBucket& bucket, at::Tensor values) const {
  auto flight = std::make_shared<Flight>();
  flight->caller = "hook";
  flight->noun = "bucket";
  flight->remedy = "wrap the same model with the same DDP arguments on every rank";
  flight->index = static_cast<std::int64_t>(bucket.getIndex());
  flight->tally = flight->index;
  flight->values = std::move(values);
  flight->divisor = static_cast<std::int64_t>(communicator_->roster().global_ranks.size());
  return flight;
}

FuturePtr Hook::run(const c10d::GradBucket& bucket) {
  const auto flight = make_flight(bucket, bucket.getBuffer());
  if (!flight->values.is_cpu()) {
    flight->future = c10::make_intrusive<c10::ivalue::Future>(
        c10::TensorType::get(), std::vector<c10::Device>{flight->values.device()});
  }
  if (flight->divisor == 1 || flight->values.numel() == 0) {
    flight->future->markCompleted(flight->values);
    return flight->future;
  }
  if (!communicator_->is_here()) {
    communicator_->submit(flight);  // says why it fails
    return flight->future;
  }
  const Method method = method_of(*flight);
  if (flight->future->completed()) return flight->future;
  method ? reduce_coded(bucket, presets_[*method], flight) : reduce_plainly(flight);
  return flight->future;
}

void Hook::set_stages(Flight& flight, const Stages& stages,
                      const std::vector<at::Tensor>& parameters) {
  communicator::Staging staging;
  staging.chain = stages.chain;
  staging.seed = stages.seed;
  for (const at::Tensor& parameter : parameters) {
    const Stages::Parameter& known = stages.parameters.at(parameter.unsafeGetTensorImpl());
    staging.names.push_back(known.name);
    if (known.residual.defined()) staging.residuals.push_back(known.residual);
  }
  flight.staging = std::make_shared<const communicator::Staging>(std::move(staging));
  flight.operation = staged_average_;
}

Method Hook::method_of(Flight& flight) {
  if (!planner_) return 0;
  if (flight.index <= std::exchange(last_bucket_, flight.index) && !planning_failed_) {
    begin_step(flight);
  }
  if (planning_failed_) return 0;  // peers that still send hear why
  if (flight.values.layout() != at::kStrided) return std::nullopt;
  return planner_->method_of(flight.index);
}

void Hook::begin_step(Flight& flight) {
  try {
    // What is measured are the device's steps, of which calls may be far ahead.
    const c10::Device device = flight.values.device();
    if (planner_->report().deciding && !device.is_cpu()) {
      communicator::reached(device)->synchronize();
    }
    planner_->begin_step();
  } catch (const std::exception& error) {
    planning_failed_ = true;
    collective::end_device(*planning_, /*broken=*/true);
    communicator_->fail(flight,
                        communicator_->lost(communicator::reason_of(error), stop_.get_token()));
    return;
  }
  for (std::size_t i = 0; i < presets_.size(); ++i) {
    if (!planner_->is_dropped(i)) continue;
    for (const auto& [parameter, history] : presets_[i].histories) {
      if (history->steps() > 0) history->reset();
    }
  }
}

/// As DDP does without a hook.
void Hook::reduce_plainly(const std::shared_ptr<Flight>& flight) {
  std::vector<at::Tensor> tensors{flight->values.div_(flight->divisor)};
  flight->counters.buckets = flight->counters.plain_buckets = 1;
  const auto raw_bytes = static_cast<std::int64_t>(flight->values.nbytes());
  flight->counters.raw_bytes = raw_bytes;
  flight->counters.sent_bytes = 2 * (flight->divisor - 1) * raw_bytes / flight->divisor;
  // By NCCL its future is complete when the device has been told.
  const bool by_device = communicator_->members(0).stream.has_value();
  const auto timer = by_device ? std::make_shared<DeviceTimer>(flight->values.device()) : nullptr;
  communicator_->owner()->allreduce(tensors)->getFuture()->addCallback(
      [communicator = communicator_, stop = stop_.get_token(), flight, timer,
       start = Clock::now()](c10::ivalue::Future& reduced) {
        if (reduced.hasError()) {
          return communicator->fail(*flight,
                                    communicator->lost(reduced.tryRetrieveErrorMessage(), stop));
        }
        if (timer) {
          timer->stop();
          communicator->stats().add(flight->index, flight->counters,
                                    [timer] { return timer->seconds(); });
        } else {
          flight->counters.wire_seconds =
              std::chrono::duration<double>(Clock::now() - start).count();
          communicator->stats().add(flight->index, flight->counters);
        }
        flight->future->markCompleted(flight->values);
      });
}

/// In units that follow each other through the communicator.
void Hook::reduce_coded(const c10d::GradBucket& bucket, const Preset& preset,
                        const std::shared_ptr<Flight>& whole) {
  collective::Contribution contribution;
  at::Tensor values = whole->values;
  std::shared_ptr<const c10::Event> there;
  if (!values.is_cpu() && values.layout() == at::kStrided) {
    try {
      if (preset.stages && values.is_cuda()) {  // they run there
        there = communicator::reached(values.device());
      } else {
        auto copy = communicator::copy_to_host(values);
        values = std::move(copy.values);
        there = std::move(copy.there);
      }
    } catch (const std::exception& error) {
      contribution.content = communicator::reason_of(error);
    }
  }
  c10::List<FuturePtr> futures(c10::FutureType::create(c10::TensorType::get()));
  // Stages may choose among all values of a bucket.
  const std::vector<Unit> units = preset.stages
                                      ? std::vector<Unit>{{values, bucket.getParameters()}}
                                      : units_of(values, bucket.getParameters(), whole->divisor);
  for (const Unit& unit : units) {
    const auto flight = make_flight(bucket, unit.values);
    flight->unit = static_cast<std::int64_t>(futures.size());
    flight->there = there;
    flight->outgoing = contribution;
    for (const at::Tensor& parameter : unit.parameters) {
      const auto found = preset.histories.find(parameter.unsafeGetTensorImpl());
      flight->parameters.push_back(
          {parameter.sizes().vec(), found != preset.histories.end() ? found->second : nullptr});
    }
    flight->codec = preset.codec;
    flight->operation = average_;
    if (preset.stages) set_stages(*flight, *preset.stages, unit.parameters);
    futures.push_back(flight->future);
    flight->counters.buckets = futures.size() == units.size() ? 1 : 0;
    communicator_->submit(flight);
  }
  // On a thread of the communicator, which outlives it.
  const auto finish = [communicator = communicator_.get(), whole, values, futures] {
    std::vector<at::Tensor> averages;
    try {
      averages = values_of(futures);
    } catch (const std::exception&) {
      return whole->future->setError(std::current_exception());
    }
    try {
      const at::NoGradGuard no_grad;
      at::Tensor average = averages.size() == 1 ? averages.front() : at::cat(averages);
      if (whole->values.is_cpu()) return whole->future->markCompleted(average);
      if (values.is_cpu()) average = values.copy_(average);  // it is in pinned memory
      communicator::complete(*whole->future, average, whole->values.device());
    } catch (const std::exception& error) {
      communicator->fail(*whole, communicator::reason_of(error));
    }
  };
  c10::collectAll(futures)->addCallback([finish](c10::ivalue::Future&) { finish(); });
}

}  // namespace lmgc::hook
