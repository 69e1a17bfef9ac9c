#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "predict/model.h"
#include "predict/samples.h"
#include "predict/state.h"

namespace lmgc::predict {

/// How elements become known in coding: blocks of 16 that double, of 16, or of 1.
enum class Blocks : std::uint8_t { kDoubling, kSixteen, kOne };

/// edges[0] = 0 < ... <= n: those of the pivots, then all others in one block.
[[nodiscard]] std::vector<std::uint16_t> block_edges(std::size_t n, std::size_t pivots,
                                                     Blocks blocks);

/// Of each element: from how many it is predicted.
[[nodiscard]] std::vector<std::size_t> known_counts(std::span<const std::uint16_t> edges,
                                                    std::size_t pivots);

/// Decayed sums of squares are at most this.
inline constexpr double kMaxPower = 0x1p100;

/// Recursive least squares along one axis of a tile. What all past samples say is kept as the
/// pivots' covariance and the weights alone: the covariance of pivots with the others is (pivots'
/// covariance + ridge) x weights, since the weights solve that. So memory is
/// n * (pivots + 9) + pivots^2 bytes with the Side (n x n covariances would be 4 n^2).
class Regression {
 public:
  /// Requires an even `pivots` <= n. `shrinkage`: the ridge, in mean variances.
  Regression(std::size_t n, std::size_t pivots, Blocks blocks, double shrinkage);

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
  [[nodiscard]] Samples past(const Side& side, std::span<const int> exponent,
                             std::span<double> own);
  void solve(std::span<const Samples* const> sets, std::span<const double> own, double ridge,
             Side& side);
  [[nodiscard]] double ridge() const;

  std::size_t n_, pivots_;
  Blocks blocks_;
  double shrinkage_;
  std::uint32_t observed_ = 0;
  bool keeps_pivots_ = false;
  // The Cholesky factor of the pivots' covariance + ridge: its rows one after another, row k of
  // k + 1 codes in units of 2^factor_exponent_.
  std::vector<std::int16_t> factor_;
  std::int32_t factor_exponent_ = 0;
  std::vector<float> power_;  // [n] decayed sums of squares, by place
};

}  // namespace lmgc::predict
