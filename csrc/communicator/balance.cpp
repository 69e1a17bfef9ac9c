#include "communicator/balance.h"

#include <algorithm>
#include <numeric>

namespace lmgc::communicator {
namespace {

/// Tiles stay whole where that gives a rank at most this part more than its share.
constexpr std::int64_t kSlackShare = 64;
/// A tile of zeros took nothing, and may be full the next time: it counts as so many values a byte.
constexpr std::int64_t kMostValuesAByte = 16;
/// In how many steps a rank's distance from an equal share is made up for: parts of a tile differ
/// in rate.
constexpr std::int64_t kSteps = 2;
/// More than this part of a share comes from values that have become others all at once.
constexpr std::int64_t kMostShare = 8;

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

}  // namespace

std::vector<codec::Shard> Balance::cut(Position position,
                                       std::span<const codec::Parameter> parameters) {
  std::vector<std::int64_t> values = codec::values_of_tiles(parameters);
  std::vector<std::int64_t> weights = values;
  std::vector<std::shared_ptr<predict::History>> histories;
  for (const codec::Parameter& parameter : parameters) histories.push_back(parameter.history);
  const std::lock_guard lock(mutex_);
  Unit& unit = units_[position];
  if (unit.histories != histories || unit.values != values) {
    unit = {std::move(histories), std::move(values), {}, Bytes(world_size_)};
  }
  for (std::size_t i = 0; i < unit.bytes.size(); ++i) {
    weights[i] = std::max(unit.bytes[i], unit.values[i] / kMostValuesAByte + 1);
  }
  const std::int64_t share = sum(weights) / static_cast<std::int64_t>(world_size_);
  std::vector<std::int64_t> rooms;
  for (const std::int64_t ahead : unit.ahead) rooms.push_back(share - ahead);
  return codec::cut(parameters, weights, std::move(rooms), share / kSlackShare);
}

void Balance::record(Position position, std::span<const codec::Shard> shards,
                     std::span<const Bytes> bytes) {
  const std::lock_guard lock(mutex_);
  Unit& unit = units_[position];
  const bool was_cut_by_bytes = !unit.bytes.empty();
  unit.bytes.assign(unit.values.size(), 0);
  for (std::size_t rank = 0; rank < shards.size(); ++rank) {
    for (std::size_t i = 0; i < bytes[rank].size(); ++i) {
      unit.bytes[shards[rank].tiles[i]] += bytes[rank][i];
    }
  }
  if (!was_cut_by_bytes) return;
  const std::int64_t share = sum(unit.bytes) / static_cast<std::int64_t>(world_size_);
  for (std::size_t rank = 0; rank < shards.size(); ++rank) {
    const std::int64_t more = sum(bytes[rank]) - share;
    unit.ahead[rank] += std::clamp(more, -share / kMostShare, share / kMostShare) / kSteps;
  }
}

}  // namespace lmgc::communicator
