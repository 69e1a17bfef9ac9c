#include "predict/logistic.h"

#include <algorithm>

namespace lmgc::predict {

Logistic::Logistic() {
  for (std::int32_t logit = 0; logit <= kMostLogit; ++logit) {
    const std::uint32_t power = exact::exp_q30(static_cast<std::uint32_t>(logit) << 8);
    const std::uint64_t chance =
        (std::uint64_t{exact::kOneQ30} << kChanceBits) / (std::uint64_t{exact::kOneQ30} + power);
    const auto within = std::min(static_cast<std::int32_t>(chance), kCertain - 1);
    chances_[static_cast<std::size_t>(kMostLogit + logit)] = within;
    chances_[static_cast<std::size_t>(kMostLogit - logit)] = kCertain - within;
  }
  std::int32_t logit = -kMostLogit;
  for (std::int32_t chance = 0; chance < kCertain; ++chance) {
    while (logit < kMostLogit && squash(logit) < chance) ++logit;
    logits_[static_cast<std::size_t>(chance)] = static_cast<std::int16_t>(logit);
  }
}

const Logistic& logistic() {
  static const Logistic tables;
  return tables;
}

}  // namespace lmgc::predict
