#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lmgc::predict {

/// Scale of a row or column that is +0.0 throughout.
inline constexpr std::int16_t kZeroLine = INT16_MIN;
/// Of a float without its sign, the lowest bits that do not count in its size: what is left is
/// log2, piecewise linear, and 4,096 of them add up in 32 bits.
inline constexpr int kDroppedSizeBits = 12;
/// Scales of rows and of columns are within +-kMaxScale, in quarter octaves.
inline constexpr int kMaxScale = 1023;

/// Separable scales: value (i, j) is expected rows[i] + columns[j] quarter octaves from its
/// prediction, log2 of the geometric mean.
struct Scales {
  std::vector<std::int16_t> rows, columns;
};

/// Where scales are kZeroLine.
[[nodiscard]] std::vector<std::size_t> zero_lines(std::span<const std::int16_t> scales);

/// The encoder's choice for a tile: the mean over rows, then over columns, of how far `values`
/// [rows][columns] lie from `predictions` (empty: from zero). Without `with_columns` all columns
/// have scale 0.
[[nodiscard]] Scales estimate_scales(std::span<const float> values,
                                     std::span<const float> predictions, std::size_t columns,
                                     bool with_columns);

}  // namespace lmgc::predict
