#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "collective/all_gather.h"
#include "collective/members.h"
#include "hook/counters.h"

namespace lmgc::hook {

/// What the worker needs of a c10d::GradBucket, which does not outlive runHook.
struct Bucket {
  std::int64_t index = 0;
  at::Tensor values;
  std::vector<codec::Parameter> parameters;
};

/// Averages buckets over a group, one after the other, in the same order on every rank.
///
/// The first failure is the last: gradients of that step are incomplete, so all later buckets fail
/// with its reason, and peers that still send hear it.
class Averager {
 public:
  /// `owner`: DDP's own group. Once the user destroys it, buckets fail.
  Averager(collective::Members members, c10::intrusive_ptr<c10d::ProcessGroup> owner,
           std::shared_ptr<const codec::Codec> codec);
  ~Averager();
  Averager(const Averager&) = delete;
  Averager& operator=(const Averager&) = delete;

  /// Sum of all ranks' values / world size, in rank order, which the parameters' histories observe.
  /// Divides `bucket.values` in place, and may return it. Throws std::runtime_error that names
  /// rank, bucket and reason.
  [[nodiscard]] at::Tensor average(const Bucket& bucket, const std::stop_token& stop);

  [[nodiscard]] Stats& stats() { return stats_; }
  [[nodiscard]] std::string prefix(std::int64_t bucket) const;

 private:
  [[nodiscard]] collective::Contribution contribution(const Bucket& bucket) const;
  [[nodiscard]] collective::Gathered gather(const collective::Contribution& contribution,
                                            const std::stop_token& stop);
  [[nodiscard]] at::Tensor sum(const Bucket& bucket, const std::vector<at::Tensor>& payloads) const;
  [[nodiscard]] at::Tensor reduce(const Bucket& bucket, const std::stop_token& stop);

  collective::Members members_;
  c10::intrusive_ptr<c10d::ProcessGroup> owner_;
  std::shared_ptr<const codec::Codec> codec_;
  Stats stats_;
  std::optional<std::string> failure_;
  bool group_usable_ = true;
};

}  // namespace lmgc::hook
