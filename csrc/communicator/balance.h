#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <utility>
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

  /// A bucket and its unit: they grow within a step.
  using Position = std::pair<std::int64_t, std::int64_t>;

  /// Cuts a step's next unit.
  [[nodiscard]] std::vector<codec::Shard> cut(Position position,
                                              std::span<const codec::Parameter> parameters);

  /// How long the payloads of the shards' sums were. Counts from the next step on, when all ranks
  /// have seen them.
  void record(std::span<const std::int64_t> payload_bytes);

 private:
  void begin_step();

  std::mutex mutex_;
  Position last_{-1, 0};
  std::vector<std::int64_t> ahead_;   // of an equal share, by rank, in values
  std::vector<std::int64_t> values_;  // of this step, by rank
  std::vector<std::int64_t> bytes_;
};

}  // namespace lmgc::communicator
