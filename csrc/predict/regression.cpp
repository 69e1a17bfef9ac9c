#include "predict/regression.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "predict/gemm.h"
#include "predict/numbers.h"
#include "predict/pivot_system.h"

namespace lmgc::predict {
namespace {

/// Pivots are chosen anew at the 1st, 4th, 16th, 64th, ... observation: each choice forgets how
/// elements that are no pivots depend on each other. From the 16th on, a choice is put off by up to
/// as many observations again, in sixteenths, so that not all tiles choose in the same steps.
bool chooses_pivots(std::uint32_t observation, std::uint32_t turn) {
  const std::uint32_t base = std::bit_floor(observation) & 0x55555555;  // a power of 4, or 0
  const std::uint32_t put_off = base < kTurns ? 0 : turn * (base / kTurns);
  return base != 0 && observation == base + put_off;
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

std::vector<std::uint16_t> block_edges(std::size_t n, std::size_t pivots, std::size_t block) {
  std::vector<std::uint16_t> edges{0};
  std::size_t edge = std::min(block, n);
  edges.push_back(static_cast<std::uint16_t>(edge));
  while (edge < pivots) {
    edge = std::min(pivots, edge + block);
    edges.push_back(static_cast<std::uint16_t>(edge));
  }
  if (edge < n) edges.push_back(static_cast<std::uint16_t>(n));
  return edges;
}

std::uint64_t learning_cost(std::size_t n, std::size_t pivots, std::size_t samples) {
  const std::uint64_t k = pivots, others = n - pivots, cube = k * k * k / 6;
  const std::uint64_t covariance = k * k / 2 * samples + cube;
  const std::uint64_t errors = 2 * k * others * samples;
  const std::uint64_t factor_and_solutions = 2 * cube + k * k * others;
  return covariance + errors + 2 * factor_and_solutions;
}

Regression::Regression(std::size_t n, std::size_t pivots, std::size_t block, double shrinkage,
                       std::uint32_t turn)
    : n_(n), pivots_(pivots), block_(block), shrinkage_(shrinkage), turn_(turn % kTurns) {
  reset();
}

void Regression::reset() {
  observed_ = 0;
  factor_exponent_ = 0;
  factor_.assign(pivots_ * (pivots_ + 1) / 2, 0);
  power_.assign(n_, 0.0f);
}

float Regression::ridge() const {
  double sum = 0;
  for (const float power : power_) sum += power;
  return static_cast<float>(shrinkage_ * sum / static_cast<double>(n_));
}

Past Regression::past(const Side& side, std::span<const int> exponent, double decay, bool of_all) {
  const double old_ridge = ridge();
  Past past;
  past.factor.resize(pivots_ * pivots_);
  past.own.resize(n_);
  past.change.resize(n_);
  std::vector<double> power(n_);
  double before = 0, after = 0, most = 0;
  for (std::size_t i = 0; i < n_; ++i) {
    const std::size_t place = side.order[i];
    past.change[place] = side.exponent[i] - exponent[place];
    power[place] = power_[place] * wide::power_of_two(2 * past.change[place]);
    before += power_[place];
    after += power[place];
    most = std::max(most, power[place]);
  }
  const int unit = wide::exponent_of(most) - kCodeExponent;
  // Past steps keep their weight in the sum, as if their vectors had been normalized in the new
  // units: else steps before elements grew would be forgotten.
  const double gain = after > 0 ? before / after : 1.0;
  past.weight = static_cast<float>(wide::power_of_two(2 * unit) * gain * decay);
  for (std::size_t j = 0; j < n_; ++j) {
    power_[j] = static_cast<float>(std::min(power[j] * gain, kMaxPower));
  }
  for (std::size_t q = 0, at = 0; q < pivots_; ++q) {
    const int change = past.change[side.order[q]];
    const double scale = wide::power_of_two(factor_exponent_ + change - unit);
    for (std::size_t k = 0; k <= q; ++k) {
      past.factor[q * pivots_ + k] = wide::code_of(factor_[at++] * scale, kMaxStoredCode);
    }
    past.own[side.order[q]] =
        static_cast<float>(-decay * old_ridge * wide::power_of_two(2 * change) * gain);
  }
  if (of_all) add_vectors(side, unit, decay, past);
  return past;
}

/// Vector k has, of a pivot, its factor's code k, and of another element that of L^T weights.
void Regression::add_vectors(const Side& side, int unit, double decay, Past& past) const {
  Samples& vectors = past.vectors = Samples(n_, pivots_);
  vectors.weight = past.weight;
  std::vector<std::int16_t> left(pivots_ * pivots_), weights(pivots_ * kStrip);
  for (std::size_t q = 0, at = 0; q < pivots_; ++q) {
    for (std::size_t k = 0; k <= q; ++k) {
      left[k * pivots_ + q] = factor_[at++];
      vectors.at(k, side.order[q]) = past.factor[q * pivots_ + k];
    }
  }
  std::vector<std::int32_t> sums(pivots_ * kStrip);
  for (std::size_t begin = pivots_; begin < n_; begin += kStrip) {
    const std::size_t across = std::min(kStrip, n_ - begin);
    weights_as_pairs(side, begin, across, weights);
    gemm_kernels().multiply({.m = pivots_,
                             .n = across,
                             .pairs = pivots_ / 2,
                             .a_stride = pivots_,
                             .b_stride = 2 * kStrip,
                             .c_stride = kStrip},
                            left.data(), weights.data(), sums.data(), false);
    for (std::size_t i = begin; i < begin + across; ++i) {
      const std::size_t place = side.order[i];
      const double scale =
          wide::power_of_two(factor_exponent_ + side.shift[i] + past.change[place] - unit);
      for (std::size_t k = 0; k < pivots_; ++k) {
        vectors.at(k, place) = wide::code_of(sums[k * kStrip + i - begin] * scale, kMaxStoredCode);
      }
    }
  }
  std::vector<std::uint32_t> squares(n_);
  add_squares(vectors, squares);
  for (std::size_t i = pivots_; i < n_; ++i) {
    const std::size_t place = side.order[i];
    const double known = static_cast<double>(vectors.weight) * squares[place];
    past.own[place] = static_cast<float>(std::max(0.0, decay * power_[place] - known));
  }
}

void Regression::observe(const Samples& samples, std::span<const int> exponent, double decay,
                         Side& side) {
  const bool first = observed_++ == 0;
  const bool chooses = chooses_pivots(observed_, turn_) && !keeps_pivots_;
  const bool solves_all = chooses || keeps_pivots_;
  Past past;
  if (first) {
    past.own.resize(n_);
  } else {
    past = this->past(side, exponent, decay, solves_all);
  }

  std::vector<std::uint32_t> squares(n_);
  add_squares(samples, squares);
  for (std::size_t j = 0; j < n_; ++j) {
    power_[j] =
        static_cast<float>(decay * power_[j] + static_cast<double>(samples.weight) * squares[j]);
  }
  const float new_ridge = ridge();
  if (chooses) choose(samples, past.vectors, new_ridge, side);
  side.edges = block_edges(n_, pivots_, block_);
  side.pivots = pivots_;
  side.exponent.resize(n_);
  for (std::size_t i = 0; i < n_; ++i) {
    side.exponent[i] = static_cast<std::int16_t>(exponent[side.order[i]]);
  }
  side.weights.resize(n_ * pivots_);
  side.shift.resize(n_);

  const PivotSystem system(samples, past, !chooses && !first, new_ridge, side);
  system.solve_pivots(side);
  if (solves_all) {
    system.solve_others(side);
  } else {
    system.improve_others(side);
  }
  factor_exponent_ = system.store_factor(factor_);
}

void Regression::choose(const Samples& samples, const Samples& past, float ridge,
                        Side& side) const {
  const Samples* sets[] = {&samples, &past};
  side.order = choose_pivots(std::span(sets).first(past.pairs > 0 ? 2 : 1), power_, ridge, pivots_);
  std::vector<bool> chosen(n_);
  for (const std::uint16_t place : side.order) chosen[place] = true;
  for (std::size_t place = 0; place < n_; ++place) {
    if (!chosen[place]) side.order.push_back(static_cast<std::uint16_t>(place));
  }
}

}  // namespace lmgc::predict
