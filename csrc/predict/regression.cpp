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

/// Pivots are chosen anew at the 1st, 4th, 16th, ... observation: each choice forgets how elements
/// that are no pivots depend on each other.
bool chooses_pivots(std::uint32_t observation) {
  return std::has_single_bit(observation) && std::countr_zero(observation) % 2 == 0;
}

/// Rounds weights `strip` [count][kStrip] of the elements from `begin` on.
void store_weights(std::span<const double> strip, std::size_t begin, std::size_t across,
                   std::size_t count, Side& side) {
  std::array<double, kStrip> largest{};
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t s = 0; s < kStrip; ++s) {
      largest[s] = std::max(largest[s], std::abs(strip[k * kStrip + s]));
    }
  }
  for (std::size_t s = 0; s < across; ++s) {
    const double size = std::clamp(largest[s] / kMaxWeight, 0x1p-60, 0x1p59);
    const int shift = wide::floor_log2(size) + 1;
    const double scale = wide::power_of_two(-shift);
    side.shift[begin + s] = static_cast<std::int8_t>(shift);
    std::int8_t* weights = side.weights.data() + (begin + s) * side.pivots;
    for (std::size_t k = 0; k < count; ++k) {
      weights[k] =
          static_cast<std::int8_t>(wide::code_of(strip[k * kStrip + s] * scale, kMaxWeight));
    }
  }
}

/// Adds each element's sum of squared codes.
void add_squares(const Samples& samples, std::span<std::uint32_t> squares) {
  for (std::size_t p = 0; p < samples.pairs; ++p) {
    const std::int16_t* codes = samples.codes.data() + p * samples.n * 2;
    for (std::size_t j = 0; j < samples.n; ++j) {
      squares[j] += static_cast<std::uint32_t>(codes[2 * j] * codes[2 * j]) +
                    static_cast<std::uint32_t>(codes[2 * j + 1] * codes[2 * j + 1]);
    }
  }
}

}  // namespace

std::vector<std::size_t> known_counts(std::span<const std::uint16_t> edges, std::size_t pivots) {
  std::vector<std::size_t> known;
  for (std::size_t block = 0; block + 1 < edges.size(); ++block) {
    known.resize(edges[block + 1], std::min<std::size_t>(edges[block], pivots));
  }
  return known;
}

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

double Regression::ridge() const {
  double sum = 0;
  for (const float power : power_) sum += power;
  return shrinkage_ * sum / static_cast<double>(n_);
}

/// `side` and the factor as vectors whose products give the past's covariance but for its diagonal,
/// in units of 2^exponent; power_ changes to these, too. `own` [n]: what the diagonal lacks. It is
/// less than nothing only for pivots, by the ridge, so that with a new ridge the sum stays
/// positive.
Samples Regression::past(const Side& side, std::span<const int> exponent, std::span<double> own) {
  const double old_ridge = ridge();
  Samples past(n_, pivots_);
  std::vector<int> change(n_);  // by place
  std::vector<double> power(n_);
  double before = 0, after = 0, most = 0;
  for (std::size_t i = 0; i < n_; ++i) {
    const std::size_t place = side.order[i];
    change[place] = side.exponent[i] - exponent[place];
    power[place] = power_[place] * wide::power_of_two(2 * change[place]);
    before += power_[place];
    after += power[place];
    most = std::max(most, power[place]);
  }
  const int unit = wide::exponent_of(most) - kCodeExponent;
  // Past steps keep their weight in the sum, as if their vectors had been normalized in the new
  // units: else steps before elements grew would be forgotten.
  const double gain = after > 0 ? before / after : 1.0;
  past.weight = wide::power_of_two(2 * unit) * gain;
  for (std::size_t j = 0; j < n_; ++j) {
    power_[j] = static_cast<float>(std::min(power[j] * gain, kMaxPower));
  }

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

  std::vector<std::uint32_t> squares(n_);
  add_squares(past, squares);
  for (std::size_t i = 0; i < n_; ++i) {
    const std::size_t place = side.order[i];
    own[place] = i < pivots_ ? -old_ridge * wide::power_of_two(2 * change[place]) * gain
                             : std::max(0.0, power_[place] - past.weight * squares[place]);
  }
  return past;
}

void Regression::observe(const Samples& samples, std::span<const int> exponent, double decay,
                         Side& side) {
  std::vector<const Samples*> sets{&samples};
  Samples earlier;
  std::vector<double> own(n_);
  if (observed_ > 0) {
    earlier = past(side, exponent, own);
    earlier.weight *= decay;
    for (double& variance : own) variance *= decay;
    sets.push_back(&earlier);
  }
  ++observed_;

  std::vector<std::uint32_t> squares(n_);
  add_squares(samples, squares);
  for (std::size_t j = 0; j < n_; ++j) {
    power_[j] = static_cast<float>(decay * power_[j] + samples.weight * squares[j]);
  }
  const double new_ridge = ridge();

  if (chooses_pivots(observed_) && !keeps_pivots_) {
    const std::vector<double> power(power_.begin(), power_.end());
    side.order = choose_pivots(sets, power, new_ridge, pivots_);
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
  solve(sets, own, new_ridge, side);
}

void Regression::solve(std::span<const Samples* const> sets, std::span<const double> own,
                       double ridge, Side& side) {
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
    covariance[k * pivots_ + k] += own[order[k]] + ridge;
    most = std::max(most, covariance[k * pivots_ + k]);
  }
  const Factor factor(covariance, pivots_);

  side.weights.assign(n_ * pivots_, 0);
  side.shift.assign(n_, 0);
  std::vector<double> strip(pivots_ * kStrip);
  const std::vector<std::size_t> known = known_counts(side.edges, pivots_);
  for (std::size_t begin = side.edges[1]; begin < n_;) {
    const std::size_t end = std::min(begin + kStrip, begin < pivots_ ? pivots_ : n_);
    const std::size_t across = end - begin, most_known = known[end - 1];
    std::fill(strip.begin(), strip.end(), 0.0);
    if (begin < pivots_) {
      for (std::size_t k = 0; k < most_known; ++k) {
        std::copy_n(covariance.data() + k * pivots_ + begin, across, strip.data() + k * kStrip);
      }
    } else {
      covariance_of(order.subspan(begin, across), strip, kStrip);
    }
    factor.solve_lower(strip, most_known);
    for (std::size_t s = 0; s < across; ++s) {
      for (std::size_t k = known[begin + s]; k < most_known; ++k) strip[k * kStrip + s] = 0;
    }
    factor.solve_upper(strip, most_known);
    store_weights(strip, begin, across, most_known, side);
    begin = end;
  }

  factor_exponent_ = wide::exponent_of(most) - kCodeExponent;
  const double scale = wide::power_of_two(-factor_exponent_);
  for (std::size_t k = 0, at = 0; k < pivots_; ++k) {
    for (const double value : factor.row(k))
      factor_[at++] = wide::code_of(value * scale, kMaxStoredCode);
  }
}

}  // namespace lmgc::predict
