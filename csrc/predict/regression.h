#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "predict/model.h"
#include "predict/pivot_system.h"
#include "predict/samples.h"
#include "predict/state.h"

namespace lmgc::predict {

/// edges[0] = 0 < ... <= n: those of the pivots in blocks of `block`, then all others in one.
[[nodiscard]] std::vector<std::uint16_t> block_edges(std::size_t n, std::size_t pivots,
                                                     std::size_t block);

/// Of each element: from how many it is predicted.
[[nodiscard]] std::vector<std::size_t> known_counts(std::span<const std::uint16_t> edges,
                                                    std::size_t pivots);

/// Decayed sums of squares are at most this.
inline constexpr double kMaxPower = 0x1p100;

inline constexpr std::uint32_t kTurns = 16;

/// What one observation of `samples` vectors takes: products of integers, one of floats counting
/// as two of them.
[[nodiscard]] std::uint64_t learning_cost(std::size_t n, std::size_t pivots, std::size_t samples);

/// Recursive least squares along one axis of a tile. What all past samples say is kept as the
/// pivots' covariance and the weights alone: the covariance of pivots with the others is (pivots'
/// covariance + ridge) x weights, since the weights solve that. So memory is
/// n * (pivots + 9) + pivots^2 bytes with the Side (n x n covariances would be 4 n^2).
class Regression {
 public:
  /// Requires an even `pivots` <= n. `shrinkage`: the ridge, in mean variances. `turn`: those with
  /// another, modulo kTurns, choose pivots anew at other observations, after the first few.
  Regression(std::size_t n, std::size_t pivots, std::size_t block, double shrinkage,
             std::uint32_t turn = 0);

  /// Learns `samples` [any count][n] in units of 2^exponent [n], older ones counting `decay` times
  /// what they did. `side`: what the last call gave, or empty before the first; becomes the next.
  void observe(const Samples& samples, std::span<const int> exponent, double decay, Side& side);

  /// Later observations choose no pivots.
  void keep_pivots() { keeps_pivots_ = true; }

  [[nodiscard]] std::size_t observed() const { return observed_; }
  void reset();

  void write(StateWriter& state, const Side& side) const;
  /// Throws std::invalid_argument on what write() cannot have written.
  void read(StateReader& state, Side& side);

 private:
  /// Moves power_ to units of 2^exponent, too. `of_all`: vectors of all elements, not of pivots
  /// alone. Diagonals lack less than nothing only for pivots, by the ridge, so that with a new
  /// ridge the sum stays positive.
  [[nodiscard]] Past past(const Side& side, std::span<const int> exponent, double decay,
                          bool of_all);
  void add_vectors(const Side& side, int unit, double decay, Past& past) const;
  void choose(const Samples& samples, const Samples& past, float ridge, Side& side) const;
  [[nodiscard]] float ridge() const;

  std::size_t n_, pivots_;
  std::size_t block_;
  double shrinkage_;
  std::uint32_t turn_;
  std::uint32_t observed_ = 0;
  bool keeps_pivots_ = false;
  // The Cholesky factor of the pivots' covariance + ridge: its rows one after another, row k of
  // k + 1 codes in units of 2^factor_exponent_.
  std::vector<std::int16_t> factor_;
  std::int32_t factor_exponent_ = 0;
  std::vector<float> power_;  // [n] decayed sums of squares, by place
};

}  // namespace lmgc::predict
