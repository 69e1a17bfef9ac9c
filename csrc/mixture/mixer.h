#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "logistic.h"

namespace lmgc::mixture {

using logistic::Stretch;

/// Weighs what experts say, by weights of its own for each context, which follow the gradient of
/// the code length. Integer-only.
class Mixer {
 public:
  /// `pace`: how fast weights go on moving, in 1 / 2^14 of the gradient.
  Mixer(std::size_t inputs, std::size_t contexts, std::int32_t pace);

  /// Weighted sum of `inputs` [inputs], within +-kMostStretch.
  [[nodiscard]] Stretch mix(std::size_t context, std::span<const Stretch> inputs);
  /// What the bit of the last `mix` was; the same inputs.
  void learn(bool one, std::span<const Stretch> inputs);

 private:
  std::size_t inputs_;
  std::int32_t pace_;
  std::vector<std::int32_t> weights_;  // [contexts, inputs], in 1 / 2^16; at first 0
  std::vector<std::uint32_t> seen_;    // [contexts]: bits
  std::size_t context_ = 0;            // of the last `mix`
  Stretch mixed_ = 0;
};

}  // namespace lmgc::mixture
