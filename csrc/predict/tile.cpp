#include "predict/tile.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "predict/model.h"

namespace lmgc::predict {
namespace {

std::size_t ceil_divide(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

/// Appends the pieces of a matrix [rows][columns] that begins at `start`.
void cut(std::size_t start, std::size_t rows, std::size_t columns, std::vector<Tile>& tiles) {
  if (rows == 0 || columns == 0) return;
  const std::size_t across = ceil_divide(columns, kMaxTileColumns);
  const std::size_t most_rows = std::min(kMaxSide, kMaxTileValues / ceil_divide(columns, across));
  const std::size_t down = ceil_divide(rows, most_rows);
  for (std::size_t i = 0; i < down; ++i) {
    const std::size_t top = i * rows / down, bottom = (i + 1) * rows / down;
    for (std::size_t j = 0; j < across; ++j) {
      const std::size_t left = j * columns / across, right = (j + 1) * columns / across;
      tiles.push_back({start + top * columns + left, bottom - top, right - left, columns});
    }
  }
}

}  // namespace

bool is_matrix(std::span<const std::int64_t> shape) {
  std::int64_t values = 1;
  for (const std::int64_t size : shape) values *= size;
  return values >= kLeastMatrix &&
         std::ranges::count_if(shape, [](std::int64_t size) { return size > 1; }) > 1;
}

std::vector<Tile> tiles_of(std::span<const std::int64_t> shape) {
  std::vector<std::size_t> sizes;
  for (const std::int64_t size : shape) {
    if (size < 0) {
      throw std::invalid_argument("lmgc::predict: a shape has the negative size " +
                                  std::to_string(size));
    }
    if (size != 1) sizes.push_back(static_cast<std::size_t>(size));
  }
  std::vector<Tile> tiles;
  if (sizes.size() > 1) {
    std::size_t columns = 1;
    for (std::size_t d = 1; d < sizes.size(); ++d) columns *= sizes[d];
    cut(0, sizes[0], columns, tiles);
  } else {
    const std::size_t count = sizes.empty() ? 1 : sizes[0];
    const std::size_t rest = count % kFlatColumns;
    cut(0, count / kFlatColumns, kFlatColumns, tiles);
    cut(count - rest, rest > 0 ? 1 : 0, rest, tiles);
  }
  return tiles;
}

}  // namespace lmgc::predict
