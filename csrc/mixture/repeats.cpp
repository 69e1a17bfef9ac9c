#include "mixture/repeats.h"

#include <algorithm>

namespace lmgc::mixture {
namespace {

constexpr int kTableBits = 16;

}  // namespace

Repeats::Repeats(std::size_t lanes) : lanes_(lanes), table_(std::size_t{1} << kTableBits) {}

std::size_t Repeats::slot(const Lane& lane) {
  const std::uint64_t mixed = (lane.last * 0x9e3779b97f4a7c15 + lane.before) * 0xbf58476d1ce4e5b9;
  return static_cast<std::size_t>(mixed >> (64 - kTableBits));
}

std::optional<Repeats::Expected> Repeats::expected(std::size_t lane) const {
  const Lane& now = lanes_[lane];
  const Following& next = table_[slot(now)];
  if (now.known < 2 || !next.known || next.last != now.last || next.before != now.before) {
    return std::nullopt;
  }
  return Expected{next.word, now.length};
}

void Repeats::learn(std::size_t lane, std::uint64_t word) {
  Lane& now = lanes_[lane];
  const auto next = expected(lane);
  now.length = next && next->word == word ? std::min(now.length + 1, kMostLength) : 0;
  if (now.known == 2) table_[slot(now)] = {now.before, now.last, word, true};
  now.before = now.last;
  now.last = word;
  now.known = std::min(now.known + 1, 2U);
}

}  // namespace lmgc::mixture
