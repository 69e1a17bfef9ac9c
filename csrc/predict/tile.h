#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// Parameters as matrices of a bounded size: what is predicted, learned and coded as one.
namespace lmgc::predict {

inline constexpr std::size_t kMaxTileColumns = 2048;
inline constexpr std::size_t kMaxTileValues = std::size_t{1} << 19;
/// Values in a row where a parameter has one dimension.
inline constexpr std::size_t kFlatColumns = 64;

/// A matrix inside a parameter's values: element (i, j) is at start + i * stride + j.
struct Tile {
  std::size_t start, rows, columns, stride;
};

/// Parameters with fewer values, or one dimension above 1, have no structure worth learning.
inline constexpr std::int64_t kLeastMatrix = 4096;
[[nodiscard]] bool is_matrix(std::span<const std::int64_t> shape);

/// Tiles that cover each value of a parameter once: at most kMaxSide rows, kMaxTileColumns columns
/// and kMaxTileValues values. Dimensions of 1 count nothing; the first of the others is that of
/// the rows (convolution: [out, in * height * width]), and both sides are cut in even pieces. One
/// dimension alone becomes rows of kFlatColumns, and a last tile of one row for the rest.
/// Throws std::invalid_argument on a negative size.
[[nodiscard]] std::vector<Tile> tiles_of(std::span<const std::int64_t> shape);

}  // namespace lmgc::predict
