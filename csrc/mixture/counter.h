#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "logistic.h"

namespace lmgc::mixture {

using logistic::Probability;

/// How often a bit was one in some context: (ones + 1) / (bits + 2), as Laplace has it, and from
/// kMemory bits on a moving average over about so many.
class Counter {
 public:
  Counter() = default;
  /// Takes `probability` for what it has seen, as little as that is.
  explicit Counter(Probability probability) : state_(std::uint32_t{probability} << 16) {}

  [[nodiscard]] Probability probability() const {
    return static_cast<Probability>(std::max(state_ >> 16, 1U));
  }

  void learn(bool one) {
    const std::uint32_t seen = state_ & kMemory;
    const auto chance = static_cast<std::int64_t>(state_ >> kCountBits);
    const std::int64_t aim = one ? kTop : 0;
    const std::int64_t moved = chance + (((aim - chance) * kShares[seen]) >> 16);
    state_ = static_cast<std::uint32_t>(moved) << kCountBits | (seen < kMemory ? seen + 1 : seen);
  }

 private:
  static constexpr int kCountBits = 10;
  static constexpr std::uint32_t kMemory = (1U << kCountBits) - 1;
  static constexpr std::int64_t kTop = (std::int64_t{1} << (32 - kCountBits)) - 1;
  /// What the next of so many bits moves it by, in 1 / 2^16.
  static constexpr auto kShares = [] {
    std::array<std::int64_t, kMemory + 1> shares{};
    for (std::size_t seen = 0; seen <= kMemory; ++seen) {
      shares[seen] = (std::int64_t{1} << 16) / (static_cast<std::int64_t>(seen) + 3);
    }
    return shares;
  }();

  std::uint32_t state_ = 1U << 31;  // probability in 22 bits, bits seen in 10
};

}  // namespace lmgc::mixture
