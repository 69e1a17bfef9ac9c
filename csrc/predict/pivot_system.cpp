#include "predict/pivot_system.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "predict/gemm.h"
#include "predict/numbers.h"
#include "predict/regression.h"

namespace lmgc::predict {
namespace {

constexpr double kMaxWeight = 127;
constexpr double kMaxErrorCode = 1023;  // 4096 products with a sample's codes fit 31 bits

/// Rounds weights `strip` [][kStrip] of the elements from `begin` on, as many of each as pivots are
/// `known` before it: coding takes it for granted that the others are 0.
void store_weights(std::span<const float> strip, std::size_t begin,
                   std::span<const std::size_t> known, Side& side) {
  std::array<float, kStrip> largest{};
  for (std::size_t k = 0; k < *std::ranges::max_element(known); ++k) {
    for (std::size_t s = 0; s < kStrip; ++s) {
      largest[s] = std::max(largest[s], std::abs(strip[k * kStrip + s]));
    }
  }
  for (std::size_t s = 0; s < known.size(); ++s) {
    const double size = std::clamp(static_cast<double>(largest[s]) / kMaxWeight, 0x1p-60, 0x1p59);
    const int shift = wide::floor_log2(size) + 1;
    const double scale = wide::power_of_two(-shift);
    side.shift[begin + s] = static_cast<std::int8_t>(shift);
    std::int8_t* weights = side.weights.data() + (begin + s) * side.pivots;
    for (std::size_t k = 0; k < known[s]; ++k) {
      weights[k] =
          static_cast<std::int8_t>(wide::code_of(strip[k * kStrip + s] * scale, kMaxWeight));
    }
  }
}

/// The first element that is no pivot and not in the first block, of which nothing is known.
std::size_t first_other(const Side& side) {
  return std::max<std::size_t>(side.pivots, side.edges[1]);
}

}  // namespace

void weights_as_pairs(const Side& side, std::size_t begin, std::size_t across,
                      std::span<std::int16_t> pairs) {
  for (std::size_t s = 0; s < across; ++s) {
    const std::int8_t* weights = side.weights.data() + (begin + s) * side.pivots;
    for (std::size_t k = 0; k < side.pivots; ++k) {
      pairs[(k / 2 * kStrip + s) * 2 + k % 2] = weights[k];
    }
  }
}

PivotSystem::PivotSystem(const Samples& samples, const Past& past, bool same_pivots, float ridge,
                         const Side& side)
    : samples_(samples),
      past_(past),
      pivots_(side.pivots),
      left_(left_of(samples, std::span(side.order).first(pivots_))),
      past_left_(left_of(past.vectors, std::span(side.order).first(pivots_))),
      added_(pivots_),
      factor_(covariance(side, same_pivots, ridge), pivots_) {}

/// Its lower triangle, which is enough.
std::vector<float> PivotSystem::covariance(const Side& side, bool same_pivots, float ridge) {
  const std::span<const std::uint16_t> order(side.order);
  std::vector<float> covariance(pivots_ * pivots_);
  ProductScratch scratch;
  for (std::size_t begin = 0; begin < pivots_; begin += kStrip) {
    const auto chosen = order.subspan(begin, std::min(kStrip, pivots_ - begin));
    const auto out = std::span(covariance).subspan(begin * pivots_ + begin);
    add_products(samples_, std::span(left_).subspan(begin * 2 * samples_.pairs), chosen, out,
                 pivots_, scratch);
    if (same_pivots) {
      add_past_factor(begin, out, scratch);
    } else {
      add_products(past_.vectors, std::span(past_left_).subspan(begin * 2 * past_.vectors.pairs),
                   chosen, out, pivots_, scratch);
    }
  }
  for (std::size_t k = 0; k < pivots_; ++k) {
    added_[k] = past_.own[order[k]] + ridge;
    covariance[k * pivots_ + k] += added_[k];
    most_ = std::max(most_, covariance[k * pivots_ + k]);
  }
  return covariance;
}

/// Rows and columns from `begin` on, for a strip of columns: whose vectors end with the strip.
void PivotSystem::add_past_factor(std::size_t begin, std::span<float> covariance,
                                  ProductScratch& scratch) const {
  const std::size_t across = std::min(kStrip, pivots_ - begin), down = pivots_ - begin;
  const std::size_t pairs = (begin + across) / 2;
  const std::int16_t* left = past_.factor.data() + begin * pivots_;
  scratch.gathered.resize(std::max(scratch.gathered.size(), 2 * pairs * across));
  for (std::size_t s = 0; s < across; ++s) {
    for (std::size_t p = 0; p < pairs; ++p) {
      std::memcpy(&scratch.gathered[2 * (p * across + s)], left + s * pivots_ + 2 * p, 4);
    }
  }
  add_product({.m = down,
               .n = across,
               .pairs = pairs,
               .a_stride = pivots_,
               .b_stride = 2 * across,
               .c_stride = across},
              left, past_.weight, covariance, pivots_, scratch);
}

void PivotSystem::solve_pivots(Side& side) const {
  const std::vector<std::size_t> known = known_counts(side.edges, pivots_);
  const std::size_t first = side.edges[1];
  std::fill_n(side.weights.begin(), pivots_ * first_other(side), std::int8_t{0});
  std::fill_n(side.shift.begin(), first, std::int8_t{0});
  std::vector<float> strip(pivots_ * kStrip);
  for (std::size_t begin = first; begin < pivots_; begin += kStrip) {
    const std::size_t across = std::min(kStrip, pivots_ - begin);
    const std::size_t most_known = known[begin + across - 1];
    std::fill(strip.begin(), strip.end(), 0.0F);
    for (std::size_t s = 0; s < across; ++s) {
      // L^-1 (covariance with the known) is a row of L.
      const std::span<const float> row = factor_.row(begin + s);
      for (std::size_t k = 0; k < known[begin + s]; ++k) strip[k * kStrip + s] = row[k];
    }
    factor_.solve_upper(strip, most_known);
    store_weights(strip, begin, std::span(known).subspan(begin, across), side);
  }
}

void PivotSystem::solve_others(Side& side) const {
  const std::span<const std::uint16_t> order(side.order);
  std::vector<float> strip(pivots_ * kStrip);
  ProductScratch scratch;
  for (std::size_t begin = first_other(side); begin < order.size(); begin += kStrip) {
    const std::size_t across = std::min(kStrip, order.size() - begin);
    std::fill(strip.begin(), strip.end(), 0.0F);
    add_products(samples_, left_, order.subspan(begin, across), strip, kStrip, scratch);
    add_products(past_.vectors, past_left_, order.subspan(begin, across), strip, kStrip, scratch);
    factor_.solve_lower(strip);
    factor_.solve_upper(strip, pivots_);
    store_weights(strip, begin, std::vector(across, pivots_), side);
  }
}

/// With S, C and W of before: (S + samples + added) W' = C + samples = S W + samples, so
/// W' = W + (S + samples + added)^-1 (samples' products with what W leaves of them - added W).
void PivotSystem::improve_others(Side& side) const {
  const std::size_t n = side.order.size(), pairs = samples_.pairs, count = 2 * pairs;
  if (n <= first_other(side)) return;
  // The pivots' codes by sample, in the units of before.
  std::vector<std::int16_t> known(count * pivots_);
  std::vector<float> old_unit(pivots_);
  for (std::size_t k = 0; k < pivots_; ++k) {
    const double unit = wide::power_of_two(-past_.change[side.order[k]]);
    old_unit[k] = static_cast<float>(unit);
    for (std::size_t t = 0; t < count; ++t) {
      known[t * pivots_ + k] = wide::code_of(left_[k * count + t] * unit, kMaxCode);
    }
  }
  std::vector<std::int16_t> weights(pivots_ * kStrip), errors(count * kStrip);
  std::vector<std::int32_t> sums(std::max(count, pivots_) * kStrip);
  std::vector<float> old(pivots_ * kStrip), strip(pivots_ * kStrip);
  GemmShape shape{.m = count,
                  .n = kStrip,
                  .pairs = pivots_ / 2,
                  .a_stride = pivots_,
                  .b_stride = 2 * kStrip,
                  .c_stride = kStrip};
  for (std::size_t begin = first_other(side); begin < n; begin += kStrip) {
    const std::size_t across = std::min(kStrip, n - begin);
    std::array<float, kStrip> unit{};
    for (std::size_t s = 0; s < across; ++s) {
      unit[s] = static_cast<float>(
          wide::power_of_two(side.shift[begin + s] + past_.change[side.order[begin + s]]));
    }
    weights_as_pairs(side, begin, across, weights);
    gemm_kernels().multiply(shape, known.data(), weights.data(), sums.data(), false);
    for (std::size_t t = 0; t < count; ++t) {
      const std::int16_t* codes = samples_.codes.data() + t / 2 * samples_.n * 2 + t % 2;
      for (std::size_t s = 0; s < across; ++s) {
        const double predicted = static_cast<double>(sums[t * kStrip + s]) * unit[s];
        errors[(t / 2 * kStrip + s) * 2 + t % 2] =
            wide::code_of(codes[2 * std::size_t{side.order[begin + s]}] - predicted, kMaxErrorCode);
      }
    }
    gemm_kernels().multiply({.m = pivots_,
                             .n = kStrip,
                             .pairs = pairs,
                             .a_stride = count,
                             .b_stride = 2 * kStrip,
                             .c_stride = kStrip},
                            left_.data(), errors.data(), sums.data(), false);
    for (std::size_t k = 0; k < pivots_; ++k) {
      const std::int16_t* row = weights.data() + k / 2 * kStrip * 2 + k % 2;
      for (std::size_t s = 0; s < kStrip; ++s) {
        const std::size_t at = k * kStrip + s;
        old[at] = static_cast<float>(row[2 * s]) * unit[s] * old_unit[k];
        strip[at] = samples_.weight * static_cast<float>(sums[at]) - added_[k] * old[at];
      }
    }
    factor_.solve_lower(strip);
    factor_.solve_upper(strip, pivots_);
    for (std::size_t at = 0; at < strip.size(); ++at) strip[at] += old[at];
    store_weights(strip, begin, std::vector(across, pivots_), side);
  }
}

std::int32_t PivotSystem::store_factor(std::span<std::int16_t> codes) const {
  const int exponent = wide::exponent_of(most_) - kCodeExponent;
  const double scale = wide::power_of_two(-exponent);
  for (std::size_t k = 0, at = 0; k < pivots_; ++k) {
    for (const float value : factor_.row(k)) {
      codes[at++] = wide::code_of(value * scale, kMaxStoredCode);
    }
  }
  return exponent;
}

}  // namespace lmgc::predict
