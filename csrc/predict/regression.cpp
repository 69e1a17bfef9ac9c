#include "predict/regression.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "predict/gemm.h"
#include "predict/numbers.h"
#include "predict/triangular.h"

namespace lmgc::predict {
namespace {

constexpr std::size_t kFirstBlock = 16;
constexpr int kCodeExponent = 13;  // past's vectors and the factor: largest code about 2^13
constexpr double kMaxStoredCode = 32767;
constexpr double kMaxWeight = 127;
constexpr int kMaxShift = 60;
constexpr int kMaxExponent = 300;  // of elements, in states
constexpr double kMaxPower = 1e30;

/// Pivots are chosen anew at the 1st, 4th, 16th, ... observation: each choice forgets how elements
/// that are no pivots depend on each other.
bool chooses_pivots(std::uint32_t observation) {
  return std::has_single_bit(observation) && std::countr_zero(observation) % 2 == 0;
}

}  // namespace

std::vector<std::uint16_t> block_edges(std::size_t n, std::size_t pivots, Blocks blocks) {
  std::vector<std::uint16_t> edges{0};
  std::size_t edge = std::min(blocks == Blocks::kOne ? 1 : kFirstBlock, n);
  edges.push_back(static_cast<std::uint16_t>(edge));
  while (edge < pivots) {
    const std::size_t more = blocks == Blocks::kDoubling ? edge : edges[1];
    edge = std::min(pivots, edge + more);
    edges.push_back(static_cast<std::uint16_t>(edge));
  }
  if (edge < n) edges.push_back(static_cast<std::uint16_t>(n));
  return edges;
}

Regression::Regression(std::size_t n, std::size_t pivots, Blocks blocks, double shrinkage)
    : n_(n), pivots_(pivots), blocks_(blocks), shrinkage_(shrinkage) {
  reset();
}

void Regression::reset() {
  observed_ = 0;
  factor_exponent_ = 0;
  factor_.assign(pivots_ * (pivots_ + 1) / 2, 0);
  power_.assign(n_, 0.0f);
}

/// `side` and the factor as vectors whose products give the past's covariance (but for the others'
/// own variances, which power_ has), in units of 2^exponent; power_ changes to these, too.
Samples Regression::past(const Side& side, std::span<const int> exponent) {
  Samples past(n_, pivots_);
  std::vector<int> change(n_);  // by place
  double most = 0;
  for (std::size_t i = 0; i < n_; ++i) {
    const std::size_t place = side.order[i];
    change[place] = side.exponent[i] - exponent[place];
    const double power = power_[place] * wide::power_of_two(2 * change[place]);
    power_[place] = static_cast<float>(std::min(power, kMaxPower));
    most = std::max<double>(most, power_[place]);
  }
  const int unit = wide::exponent_of(most) - kCodeExponent;
  past.weight = wide::power_of_two(2 * unit);

  // Others: L^T weights. First L^T and the weights (in coding order) as GEMM wants them.
  std::vector<std::int16_t> left(pivots_ * pivots_), weights(pivots_ * n_);
  for (std::size_t q = 0, at = 0; q < pivots_; ++q) {
    for (std::size_t k = 0; k <= q; ++k) left[k * pivots_ + q] = factor_[at++];
  }
  for (std::size_t i = 0; i < n_; ++i) {
    for (std::size_t q = 0; q < pivots_; ++q) {
      weights[(q / 2 * n_ + i) * 2 + q % 2] = side.weights[i * pivots_ + q];
    }
  }
  std::vector<std::int32_t> sums(pivots_ * kStrip);
  for (std::size_t begin = pivots_; begin < n_; begin += kStrip) {
    const std::size_t across = std::min(kStrip, n_ - begin);
    gemm_kernels().multiply({.m = pivots_,
                             .n = across,
                             .pairs = pivots_ / 2,
                             .a_stride = pivots_,
                             .b_stride = 2 * n_,
                             .c_stride = kStrip},
                            left.data(), weights.data() + 2 * begin, sums.data(), false);
    for (std::size_t i = begin; i < begin + across; ++i) {
      const std::size_t place = side.order[i];
      const double scale =
          wide::power_of_two(factor_exponent_ + side.shift[i] + change[place] - unit);
      for (std::size_t k = 0; k < pivots_; ++k) {
        past.at(k, place) = wide::code_of(sums[k * kStrip + i - begin] * scale, kMaxStoredCode);
      }
    }
  }
  for (std::size_t q = 0; q < pivots_; ++q) {
    const std::size_t place = side.order[q];
    const double scale = wide::power_of_two(factor_exponent_ + change[place] - unit);
    for (std::size_t k = 0; k <= q; ++k) {
      past.at(k, place) = wide::code_of(left[k * pivots_ + q] * scale, kMaxStoredCode);
    }
  }
  return past;
}

void Regression::observe(const Samples& samples, std::span<const int> exponent, double decay,
                         Side& side) {
  std::vector<const Samples*> sets{&samples};
  Samples earlier;
  if (observed_ > 0) {
    earlier = past(side, exponent);
    earlier.weight *= decay;
    sets.push_back(&earlier);
  }
  ++observed_;

  std::vector<std::uint32_t> squares(n_);
  for (std::size_t p = 0; p < samples.pairs; ++p) {
    const std::int16_t* codes = samples.codes.data() + p * n_ * 2;
    for (std::size_t j = 0; j < n_; ++j) {
      squares[j] += static_cast<std::uint32_t>(codes[2 * j] * codes[2 * j] +
                                               codes[2 * j + 1] * codes[2 * j + 1]);
    }
  }
  double sum = 0;
  for (std::size_t j = 0; j < n_; ++j) {
    power_[j] = static_cast<float>(decay * power_[j] + samples.weight * squares[j]);
    sum += power_[j];
  }
  const double ridge = shrinkage_ * sum / static_cast<double>(n_);

  if (chooses_pivots(observed_)) {
    const std::vector<double> power(power_.begin(), power_.end());
    side.order = choose_pivots(sets, power, ridge, pivots_);
    std::vector<bool> chosen(n_);
    for (const std::uint16_t place : side.order) chosen[place] = true;
    for (std::size_t place = 0; place < n_; ++place) {
      if (!chosen[place]) side.order.push_back(static_cast<std::uint16_t>(place));
    }
  }
  side.edges = block_edges(n_, pivots_, blocks_);
  side.pivots = pivots_;
  side.exponent.resize(n_);
  for (std::size_t i = 0; i < n_; ++i) {
    side.exponent[i] = static_cast<std::int16_t>(exponent[side.order[i]]);
  }
  solve(sets, ridge, side);
}

void Regression::solve(std::span<const Samples* const> sets, double ridge, Side& side) {
  const std::span<const std::uint16_t> order(side.order);
  std::vector<std::vector<std::int16_t>> lefts;
  for (const Samples* set : sets) lefts.push_back(left_of(*set, order.first(pivots_)));
  ProductScratch scratch;
  const auto covariance_of = [&](std::span<const std::uint16_t> chosen, std::span<double> out,
                                 std::size_t stride) {
    for (std::size_t i = 0; i < sets.size(); ++i) {
      add_products(*sets[i], lefts[i], chosen, out, stride, scratch);
    }
  };
  std::vector<double> covariance(pivots_ * pivots_);
  for (std::size_t begin = 0; begin < pivots_; begin += kStrip) {
    covariance_of(order.subspan(begin, std::min(kStrip, pivots_ - begin)),
                  std::span(covariance).subspan(begin), pivots_);
  }
  double most = 0;
  for (std::size_t k = 0; k < pivots_; ++k) {
    covariance[k * pivots_ + k] = power_[order[k]] + ridge;
    most = std::max(most, covariance[k * pivots_ + k]);
  }
  const Factor factor(covariance, pivots_);

  side.weights.assign(n_ * pivots_, 0);
  side.shift.assign(n_, 0);
  std::vector<double> strip(pivots_ * kStrip);
  for (std::size_t block = 1; block + 1 < side.edges.size(); ++block) {
    const std::size_t known = std::min<std::size_t>(side.edges[block], pivots_);
    const std::size_t end = side.edges[block + 1];
    for (std::size_t begin = side.edges[block]; begin < end; begin += kStrip) {
      const std::size_t across = std::min(kStrip, end - begin);
      std::fill(strip.begin(), strip.end(), 0.0);
      if (begin < pivots_) {
        for (std::size_t k = 0; k < known; ++k) {
          std::copy_n(covariance.data() + k * pivots_ + begin, across, strip.data() + k * kStrip);
        }
      } else {
        covariance_of(order.subspan(begin, across), strip, kStrip);
      }
      factor.solve_lower(strip, known);
      factor.solve_upper(strip, known);
      std::array<double, kStrip> largest{};
      for (std::size_t k = 0; k < known; ++k) {
        for (std::size_t s = 0; s < kStrip; ++s) {
          largest[s] = std::max(largest[s], std::abs(strip[k * kStrip + s]));
        }
      }
      for (std::size_t s = 0; s < across; ++s) {
        const double size = std::clamp(largest[s] / kMaxWeight, 0x1p-60, 0x1p59);
        const int shift = wide::floor_log2(size) + 1;
        const double scale = wide::power_of_two(-shift);
        side.shift[begin + s] = static_cast<std::int8_t>(shift);
        std::int8_t* weights = side.weights.data() + (begin + s) * pivots_;
        for (std::size_t k = 0; k < known; ++k) {
          weights[k] =
              static_cast<std::int8_t>(wide::code_of(strip[k * kStrip + s] * scale, kMaxWeight));
        }
      }
    }
  }

  factor_exponent_ = wide::exponent_of(most) - kCodeExponent;
  const double scale = wide::power_of_two(-factor_exponent_);
  for (std::size_t k = 0, at = 0; k < pivots_; ++k) {
    for (const double value : factor.row(k))
      factor_[at++] = wide::code_of(value * scale, kMaxStoredCode);
  }
}

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
  side.edges = block_edges(n_, pivots_, blocks_);
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
  for (std::size_t block = 0; block + 1 < side.edges.size(); ++block) {
    const std::size_t known = std::min<std::size_t>(side.edges[block], pivots_);
    for (std::size_t i = side.edges[block]; i < side.edges[block + 1]; ++i) {
      const auto weights = std::span(side.weights).subspan(i * pivots_, pivots_);
      require(std::ranges::all_of(weights.subspan(known), [](auto w) { return w == 0; }),
              "an element depends on later ones");
      require(std::ranges::none_of(weights, [](auto w) { return w == -128; }), "a weight of -128");
    }
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
