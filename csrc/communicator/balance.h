#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "codec/shards.h"

namespace lmgc::communicator {

/// Shares out the work of sums so that payloads are equally long, since an exchange lasts as long
/// as the longest: by what the same tiles took in the step before, where that is recorded, and
/// by how far ranks were from an equal share. In integers that all ranks know, so that they all
/// come to the same shards. Thread-safe.
class Balance {
 public:
  explicit Balance(std::size_t world_size) : world_size_(world_size) {}

  /// A bucket and its unit: once in a step.
  using Position = std::pair<std::int64_t, std::int64_t>;
  /// What each parameter of a shard took.
  using Bytes = std::vector<std::int64_t>;

  [[nodiscard]] std::vector<codec::Shard> cut(Position position,
                                              std::span<const codec::Parameter> parameters);

  /// Of the unit that was cut there last, before it is cut again: all ranks know it by then.
  void record(Position position, std::span<const codec::Shard> shards,
              std::span<const Bytes> bytes);

 private:
  struct Unit {
    std::vector<std::shared_ptr<predict::History>> histories;  ///< tell parameters apart
    std::vector<std::int64_t> values, bytes;  ///< of its tiles; without bytes: not recorded
    std::vector<std::int64_t> ahead;          ///< by rank: bytes more than an equal share
  };

  std::size_t world_size_;
  std::mutex mutex_;
  std::map<Position, Unit> units_;
};

}  // namespace lmgc::communicator
