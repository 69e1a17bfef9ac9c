#pragma once

#include <cstdint>

/// Probabilities and the logistic domain, in which experts add up (Mahoney, "Adaptive weighing of
/// context models for lossless data compression", 2005). Tables of integers: law 2.
namespace lmgc::logistic {

/// Of a one, in 1 / 2^16: 1 .. kCertain - 1.
using Probability = std::uint16_t;
inline constexpr int kProbabilityBits = 16;
inline constexpr std::int32_t kCertain = 1 << kProbabilityBits;
/// ln(p / (1 - p)) in 1 / 2^8: -kMostStretch .. kMostStretch.
using Stretch = std::int32_t;

inline constexpr Stretch kMostStretch = 12 * 256 - 1;

[[nodiscard]] Probability squash(Stretch stretch);
/// The least that `squash` takes to `probability` or more, from one half on; its negative below.
[[nodiscard]] Stretch stretch(Probability probability);

}  // namespace lmgc::logistic
