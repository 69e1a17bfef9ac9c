#include "prior/adaptive_prior.h"

#include <algorithm>
#include <stdexcept>

namespace lmgc::prior {
namespace {

constexpr std::uint32_t kUnseenWeight = 1;
constexpr std::uint32_t kSeenWeight = 24;  // a symbol seen once outweighs an unseen one by this
constexpr std::uint32_t kFirstRenewal = 16;
constexpr std::uint32_t kMaxRenewalGap = 4096;

}  // namespace

AdaptivePrior::AdaptivePrior(std::size_t alphabet) : weights_(alphabet), cumulative_(alphabet + 1) {
  start(1);
}

void AdaptivePrior::start(std::size_t chunks) {
  if (chunks != 1)
    throw std::invalid_argument("lmgc: an adaptive prior serves one chunk at a time");
  std::fill(weights_.begin(), weights_.end(), kUnseenWeight);
  seen_ = 0;
  renew();
}

void AdaptivePrior::update(std::span<const std::uint16_t> symbols) {
  if (symbols.empty()) return;
  weights_[symbols.front()] += kSeenWeight;
  if (++seen_ == next_renewal_) renew();
}

void AdaptivePrior::renew() {
  frequencies_from_weights(weights_.data(), weights_.size(), cumulative_.data());
  next_renewal_ = seen_ + std::clamp(seen_ / 4, kFirstRenewal, kMaxRenewalGap);
}

}  // namespace lmgc::prior
