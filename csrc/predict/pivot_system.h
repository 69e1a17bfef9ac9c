#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "predict/model.h"
#include "predict/samples.h"
#include "predict/triangular.h"

namespace lmgc::predict {

/// Of past's vectors and the stored factor: the largest code is about 2^kCodeExponent.
inline constexpr int kCodeExponent = 13;
inline constexpr double kMaxStoredCode = 32767;

/// What earlier samples say, in the units of this step.
struct Past {
  /// [pivots][pivots] the factor in codes: row q has q + 1. Products of rows, times `weight`, give
  /// the pivots' covariance, but for its diagonal.
  std::vector<std::int16_t> factor;
  float weight = 0;
  /// As many vectors whose products give the covariance of all elements: where pivots are chosen
  /// anew or all weights are solved for.
  Samples vectors;
  std::vector<float> own;   ///< [n] by place: what the diagonal lacks
  std::vector<int> change;  ///< [n] by place: log2 of old units in new ones
};

/// Weights `strip`'s right side of a product: those of elements [begin, begin + across), by pairs.
void weights_as_pairs(const Side& side, std::size_t begin, std::size_t across,
                      std::span<std::int16_t> pairs);

/// The pivots' covariance, past and new, and the weights that follow from it.
class PivotSystem {
 public:
  /// `side`: its order, blocks and exponents are those of now. `same_pivots`: they are those of
  /// `past`. All are referred to.
  PivotSystem(const Samples& samples, const Past& past, bool same_pivots, float ridge,
              const Side& side);

  /// Weights of pivots, from earlier pivots.
  void solve_pivots(Side& side) const;
  /// Weights of all other elements, from `past.vectors` of all elements.
  void solve_others(Side& side) const;
  /// The same weights, from those that `side` has, in the units of before.
  void improve_others(Side& side) const;

  /// The factor in codes; returns log2 of their unit.
  [[nodiscard]] std::int32_t store_factor(std::span<std::int16_t> codes) const;

 private:
  [[nodiscard]] std::vector<float> covariance(const Side& side, bool same_pivots, float ridge);
  void add_past_factor(std::size_t begin, std::span<float> covariance,
                       ProductScratch& scratch) const;

  const Samples& samples_;
  const Past& past_;
  std::size_t pivots_;
  std::vector<std::int16_t> left_, past_left_;  // the pivots' codes; in past's vectors
  std::vector<float> added_;                    // [pivots] to the diagonal
  float most_ = 0;                              // on it
  Factor factor_;
};

}  // namespace lmgc::predict
