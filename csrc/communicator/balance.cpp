#include "communicator/balance.h"

#include <algorithm>
#include <numeric>

namespace lmgc::communicator {
namespace {

/// Tiles stay whole where that gives a rank at most this part more than its share.
constexpr std::int64_t kSlackShare = 16;
constexpr int kFractionBits = 20;

std::int64_t sum(const std::vector<std::int64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
}

}  // namespace

std::vector<codec::Shard> Balance::cut(Position position,
                                       std::span<const codec::Parameter> parameters) {
  const std::lock_guard lock(mutex_);
  if (position <= last_) begin_step();
  last_ = position;
  const auto count = static_cast<std::int64_t>(ahead_.size());
  std::int64_t values = 0;
  for (const codec::Parameter& parameter : parameters) values += parameter.values();
  std::vector<std::int64_t> rooms;
  for (const std::int64_t ahead : ahead_) rooms.push_back((sum(ahead_) + values) / count - ahead);
  std::vector<codec::Shard> shards = codec::cut(parameters, rooms, values / count / kSlackShare);
  for (std::size_t rank = 0; rank < shards.size(); ++rank) {
    ahead_[rank] += shards[rank].values;
    values_[rank] += shards[rank].values;
  }
  return shards;
}

void Balance::record(std::span<const std::int64_t> payload_bytes) {
  const std::lock_guard lock(mutex_);
  for (std::size_t rank = 0; rank < bytes_.size(); ++rank) bytes_[rank] += payload_bytes[rank];
}

/// Values that took more bytes than others count as more of them.
void Balance::begin_step() {
  const std::int64_t values = sum(values_), bytes = std::max<std::int64_t>(sum(bytes_), 1);
  for (std::size_t rank = 0; rank < ahead_.size(); ++rank) {
    const std::int64_t share = (bytes_[rank] << kFractionBits) / bytes;
    ahead_[rank] += (share * values >> kFractionBits) - values_[rank];
  }
  const std::int64_t least = *std::ranges::min_element(ahead_);
  for (std::int64_t& ahead : ahead_) ahead -= least;  // only differences count
  std::ranges::fill(values_, 0);
  std::ranges::fill(bytes_, 0);
}

}  // namespace lmgc::communicator
