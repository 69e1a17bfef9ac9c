#include "mixture/mixer.h"

#include <algorithm>

namespace lmgc::mixture {

using logistic::kMostStretch;
using logistic::squash;
namespace {

constexpr std::int64_t kFirstPace = 960;   // on top of the lasting one, and halved
constexpr std::int64_t kHalvedAfter = 64;  // so many bits
constexpr std::int64_t kMostWeight = std::int64_t{1} << 23;

}  // namespace

Mixer::Mixer(std::size_t inputs, std::size_t contexts, std::int32_t pace)
    : inputs_(inputs), pace_(pace), weights_(inputs * contexts), seen_(contexts) {}

Stretch Mixer::mix(std::size_t context, std::span<const Stretch> inputs) {
  context_ = context;
  const std::int32_t* weights = weights_.data() + context * inputs_;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < inputs_; ++i) sum += std::int64_t{weights[i]} * inputs[i];
  mixed_ = static_cast<Stretch>(
      std::clamp<std::int64_t>(sum >> 16, -std::int64_t{kMostStretch}, kMostStretch));
  return mixed_;
}

void Mixer::learn(bool one, std::span<const Stretch> inputs) {
  std::uint32_t& seen = seen_[context_];
  const std::int64_t pace = pace_ + kFirstPace * kHalvedAfter / (kHalvedAfter + seen);
  if (seen < ~std::uint32_t{0}) ++seen;
  const std::int64_t error = (one ? std::int64_t{1} << 16 : 0) - squash(mixed_);
  std::int32_t* weights = weights_.data() + context_ * inputs_;
  for (std::size_t i = 0; i < inputs_; ++i) {
    const std::int64_t moved =
        weights[i] + ((inputs[i] * error * pace + (std::int64_t{1} << 21)) >> 22);
    weights[i] = static_cast<std::int32_t>(std::clamp(moved, -kMostWeight, kMostWeight));
  }
}

}  // namespace lmgc::mixture
