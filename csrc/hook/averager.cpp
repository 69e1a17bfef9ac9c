#include "hook/averager.h"

#include <ATen/Functions.h>
#include <ATen/core/grad_mode.h>

#include <chrono>
#include <stdexcept>
#include <torch/csrc/distributed/c10d/GroupRegistry.hpp>
#include <utility>

#include "codec/observe.h"

namespace lmgc::hook {

static_assert(collective::kMaxOverheadBytes == codec::kMaxOverheadBytes,
              "peers accept what a codec may send");

namespace {

/// Adds the time of its life to `seconds`.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

std::string reason_of(const std::exception& error) {
  const auto* c10_error = dynamic_cast<const c10::Error*>(&error);
  return c10_error != nullptr ? c10_error->what_without_backtrace() : error.what();
}

bool is_registered(const c10::intrusive_ptr<c10d::ProcessGroup>& group) {
  try {
    return c10d::resolve_process_group(group->getGroupName()) == group;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

Averager::Averager(collective::Members members, c10::intrusive_ptr<c10d::ProcessGroup> owner,
                   std::shared_ptr<const codec::Codec> codec)
    : members_(std::move(members)), owner_(std::move(owner)), codec_(std::move(codec)) {}

Averager::~Averager() {
  // A group ends only when its last collective does, which may be at its timeout. Nobody waits for
  // that, and no other thread may end it while the interpreter does: it is left to the process.
  if (!group_usable_) static_cast<void>(members_.group.release());
}

std::string Averager::prefix(std::int64_t bucket) const {
  return "lmgc_torch hook on " + members_.name(members_.rank()) + ", bucket " +
         std::to_string(bucket) + ": ";
}

at::Tensor Averager::average(const Bucket& bucket, const std::stop_token& stop) {
  const at::NoGradGuard no_grad;
  try {
    return reduce(bucket, stop);
  } catch (const std::exception& error) {
    if (!failure_) failure_ = reason_of(error);
    throw std::runtime_error(prefix(bucket.index) + *failure_);
  }
}

at::Tensor Averager::reduce(const Bucket& bucket, const std::stop_token& stop) {
  if (!group_usable_) throw std::runtime_error(*failure_);
  Counters counters{.buckets = 1};
  collective::Contribution own;
  {
    const Stopwatch stopwatch(counters.encode_seconds);
    own = contribution(bucket);
  }
  if (stop.stop_requested()) throw std::runtime_error("closed while it was encoded");
  collective::Gathered gathered;
  {
    const Stopwatch stopwatch(counters.wire_seconds);
    gathered = gather(own, stop);
  }
  at::Tensor average;
  {
    const Stopwatch stopwatch(counters.decode_seconds);
    average = sum(bucket, gathered.payloads);
  }
  {
    const Stopwatch stopwatch(counters.observe_seconds);
    codec::observe(average, bucket.parameters);
  }
  counters.raw_bytes = own.raw_bytes;
  counters.payload_bytes = std::get<at::Tensor>(own.content).numel();
  counters.sent_bytes = gathered.sent_bytes;
  stats_.add(bucket.index, counters);
  return average;
}

collective::Contribution Averager::contribution(const Bucket& bucket) const {
  if (failure_) return {bucket.index, 0, *failure_};
  try {
    if (!is_registered(owner_)) {
      throw std::runtime_error(
          "DDP's process group was destroyed; call dist.destroy_process_group() after the last "
          "backward");
    }
    if (bucket.values.layout() != at::kStrided) {
      throw std::runtime_error(
          "its gradient is sparse; build the embedding with sparse=False, or train it outside of "
          "DDP");
    }
    at::Tensor values = bucket.values;
    values.div_(members_.world_size());
    return {bucket.index, static_cast<std::int64_t>(values.nbytes()),
            codec_->encode(values, bucket.parameters)};
  } catch (const std::exception& error) {
    return {bucket.index, 0, reason_of(error)};
  }
}

collective::Gathered Averager::gather(const collective::Contribution& contribution,
                                      const std::stop_token& stop) {
  try {
    return collective::all_gather(members_, contribution, stop);
  } catch (const collective::AgreedError&) {
    throw;
  } catch (const std::exception& error) {
    group_usable_ = false;
    const auto* reason = std::get_if<std::string>(&contribution.content);
    throw std::runtime_error(
        (reason != nullptr ? *reason : "lost a peer or ran out of time: " + reason_of(error)) +
        "; restart from the last checkpoint");
  }
}

at::Tensor Averager::sum(const Bucket& bucket, const std::vector<at::Tensor>& payloads) const {
  at::Tensor total;
  at::Tensor decoded;
  for (int rank = 0; rank < members_.world_size(); ++rank) {
    at::Tensor term = bucket.values;
    if (rank != members_.rank()) {
      if (!decoded.defined() || decoded.is_same(total)) decoded = at::empty_like(bucket.values);
      try {
        codec_->decode_into(payloads[static_cast<std::size_t>(rank)], bucket.parameters, decoded);
      } catch (const std::exception& error) {
        throw std::runtime_error("cannot decode the payload of " + members_.name(rank) + ": " +
                                 reason_of(error));
      }
      term = decoded;
    }
    total = total.defined() ? total.add_(term) : term;
  }
  return total;
}

}  // namespace lmgc::hook
