#pragma once

#include <array>
#include <cstdint>

#include "exact.h"

/// Probabilities and their logits, by tables of integers.
namespace lmgc::predict {

/// Probabilities are in 2^16, from 1 to kCertain - 1; logits in 1/256 nats, up to kMostLogit.
inline constexpr int kChanceBits = 16;
inline constexpr std::int32_t kCertain = 1 << kChanceBits;
inline constexpr std::int32_t kMostLogit = 11 << 8;

class Logistic {
 public:
  Logistic();

  /// Of a logit, which is cut off at +-kMostLogit.
  [[nodiscard]] std::int32_t squash(std::int32_t logit) const {
    const std::int32_t within = logit < -kMostLogit  ? -kMostLogit
                                : logit > kMostLogit ? kMostLogit
                                                     : logit;
    return chances_[static_cast<std::size_t>(within + kMostLogit)];
  }
  /// Of a probability from 1 to kCertain - 1.
  [[nodiscard]] std::int32_t stretch(std::int32_t chance) const {
    return logits_[static_cast<std::size_t>(chance)];
  }

 private:
  std::array<std::int32_t, 2 * kMostLogit + 1> chances_;
  std::array<std::int16_t, kCertain> logits_;
};

/// The one there is.
[[nodiscard]] const Logistic& logistic();

}  // namespace lmgc::predict
