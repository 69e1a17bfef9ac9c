#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// Rows of a tile predicted from those just above them, with weights that are sent: for tiles of
/// which history says little or nothing.
namespace lmgc::predict {

inline constexpr std::size_t kMaxRowsAbove = 32;
/// Weights are counted in 2^-kAboveBits and are within +-kMaxAboveWeight.
inline constexpr int kAboveBits = 5;
inline constexpr int kMaxAboveWeight = 255;
/// Rows' exponents are within +-kMaxAboveExponent.
inline constexpr int kMaxAboveExponent = 120;

/// Row i, in units of its size, is expected to be the sum of the rows k + 1 above it, in units of
/// theirs, times weights[k][i].
struct RowWeights {
  std::vector<std::int16_t> exponents;             ///< [rows] log2 of the rows' sizes
  std::vector<std::vector<std::int16_t>> weights;  ///< at most kMaxRowsAbove, each [rows]
};

/// Predicts row after row; both ends know all rows before.
class RowsAbove {
 public:
  /// `weights`, within their bounds, must outlive it.
  RowsAbove(const RowWeights& weights, std::size_t columns);

  /// Predictions [columns] of the next row, all below 2^125.
  void predict(float* predictions) const;
  /// The next row's values [columns].
  void learn(const float* values);

 private:
  [[nodiscard]] std::size_t place(std::size_t row) const;

  const RowWeights& weights_;
  std::size_t columns_, next_ = 0;
  std::vector<float> kept_;  // the last rows, row i at i modulo their number
};

}  // namespace lmgc::predict
