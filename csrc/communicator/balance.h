#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "codec/shards.h"

namespace lmgc::communicator {

/// Shares out the work of sums so that, over the buckets of many steps, each rank sends as many
/// bytes as any other. In integers that all ranks know, so that they all come to the same shares.
/// Thread-safe.
class Balance {
 public:
  explicit Balance(std::size_t world_size)
      : ahead_(world_size), values_(world_size), bytes_(world_size) {}

  /// Cuts a step's next bucket.
  [[nodiscard]] std::vector<codec::Shard> cut(std::int64_t bucket,
                                              std::span<const codec::Parameter> parameters);

  /// How long the payloads of the shards' sums were. Counts from the next step on, when all ranks
  /// have seen them.
  void record(std::span<const std::int64_t> payload_bytes);

 private:
  void begin_step();

  std::mutex mutex_;
  std::int64_t last_bucket_ = -1;
  std::vector<std::int64_t> ahead_;   // of an equal share, by rank, in values
  std::vector<std::int64_t> values_;  // of this step, by rank
  std::vector<std::int64_t> bytes_;
};

}  // namespace lmgc::communicator
