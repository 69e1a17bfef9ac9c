#include "logistic.h"

#include <algorithm>
#include <array>

#include "exact.h"
#include "fork.h"

namespace lmgc::logistic {
namespace {

constexpr std::uint32_t kOne = kCertain;

/// 2^16 / (1 + e^-x) for x >= 0, at most 2^16 - 1.
constexpr std::uint32_t upper_half(Stretch stretch) {
  const std::uint64_t odds =
      exact::exp_q30(static_cast<std::uint32_t>(stretch) << (exact::kScoreBits - 8));
  const std::uint64_t probability = (std::uint64_t{1} << 46) / (exact::kOneQ30 + odds);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(probability, kOne - 1));
}

struct Tables {
  Tables() {
    for (Stretch x = 0; x <= kMostStretch; ++x) {
      squash[static_cast<std::size_t>(kMostStretch + x)] = static_cast<Probability>(upper_half(x));
      squash[static_cast<std::size_t>(kMostStretch - x)] =
          static_cast<Probability>(kOne - upper_half(x));
    }
    Stretch x = 0;
    for (std::uint32_t p = kOne / 2; p < kOne; ++p) {
      while (upper_half(x) < p) ++x;
      stretch[p] = static_cast<std::int16_t>(x);
      stretch[kOne - p] = static_cast<std::int16_t>(-x);
    }
  }

  std::array<Probability, 2 * kMostStretch + 1> squash;
  std::array<std::int16_t, kOne> stretch{};
};

const Tables& tables() {
  static const Tables made = [] {
    const NoFork no_fork;
    return Tables();
  }();
  return made;
}

}  // namespace

Probability squash(Stretch stretch) {
  const Stretch within = std::clamp(stretch, -kMostStretch, kMostStretch);
  return tables().squash[static_cast<std::size_t>(within + kMostStretch)];
}

Stretch stretch(Probability probability) { return tables().stretch[probability]; }

}  // namespace lmgc::logistic
