#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "codec/codec.h"
#include "collective/members.h"
#include "hook/flight.h"

namespace lmgc::hook {

/// How ranks share the work of a sum. Each method sees flights in the same order on every rank, on
/// a thread of its own; it throws what it cannot go on with.
class Reduction {
 public:
  virtual ~Reduction() = default;

  /// Fills `outgoing` from the bucket.
  virtual void encode(Flight& flight) = 0;
  /// Between two exchanges: fills `outgoing` from what came in.
  virtual void reduce(Flight& flight) = 0;
  /// The average, from what came in.
  [[nodiscard]] virtual at::Tensor average(Flight& flight) = 0;
};

/// Every rank sends its bucket to every other, and sums all: one exchange. `members` must outlive
/// it.
[[nodiscard]] std::unique_ptr<Reduction> reduce_whole_buckets(
    const collective::Members& members, std::shared_ptr<const codec::Codec> codec);

/// Each rank sums a shard and sends the sum to the others: two exchanges, in which a rank sends
/// less than two buckets, however many ranks there are.
[[nodiscard]] std::unique_ptr<Reduction> reduce_shards(const collective::Members& members,
                                                       std::shared_ptr<const codec::Codec> codec);

}  // namespace lmgc::hook
