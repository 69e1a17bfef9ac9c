#include <algorithm>
#include <cmath>

#include "predict/regression.h"

namespace lmgc::predict {
namespace {

constexpr int kMaxShift = 60;
constexpr int kMaxExponent = 300;  // of elements

}  // namespace

void Regression::write(StateWriter& state, const Side& side) const {
  state.put(observed_);
  if (observed_ == 0) return;
  state.put_all(side.order);
  state.put_all(side.weights);
  state.put_all(side.shift);
  state.put_all(side.exponent);
  state.put_all(factor_);
  state.put(factor_exponent_);
  state.put_all(power_);
}

void Regression::read(StateReader& state, Side& side) {
  reset();
  side = Side();
  observed_ = state.take<std::uint32_t>();
  if (observed_ == 0) return;
  side.pivots = pivots_;
  side.edges = block_edges(n_, pivots_, block_);
  side.order.resize(n_);
  side.weights.resize(n_ * pivots_);
  side.shift.resize(n_);
  side.exponent.resize(n_);
  state.take_all(side.order);
  state.take_all(side.weights);
  state.take_all(side.shift);
  state.take_all(side.exponent);
  state.take_all(factor_);
  factor_exponent_ = state.take<std::int32_t>();
  state.take_all(power_);

  std::vector<bool> seen(n_);
  for (const std::uint16_t place : side.order) {
    require(place < n_ && !seen[place], "an order is no permutation");
    seen[place] = true;
  }
  const std::vector<std::size_t> known = known_counts(side.edges, pivots_);
  for (std::size_t i = 0; i < n_; ++i) {
    const auto weights = std::span(side.weights).subspan(i * pivots_, pivots_);
    require(std::ranges::all_of(weights.subspan(known[i]), [](auto w) { return w == 0; }),
            "an element depends on later ones");
    require(std::ranges::none_of(weights, [](auto w) { return w == -128; }), "a weight of -128");
  }
  for (const int shift : side.shift) require(std::abs(shift) <= kMaxShift, "a weight's shift");
  for (const int exponent : side.exponent) {
    require(std::abs(exponent) <= kMaxExponent, "an element's exponent");
  }
  require(std::abs(factor_exponent_) <= kMaxExponent, "the factor's exponent");
  require(std::ranges::none_of(factor_, [](auto code) { return code == -32768; }), "the factor");
  for (const float power : power_) {
    require(power >= 0 && power <= kMaxPower, "an element's power");
  }
}

}  // namespace lmgc::predict
