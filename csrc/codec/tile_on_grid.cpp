#include "codec/tile_on_grid.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "predict/family.h"
#include "predict/row_kernels.h"

namespace lmgc::codec {

TileOnGrid::TileOnGrid(std::span<const float> values, std::span<const float> predictions,
                       const predict::Scales& scales, const predict::FloatGrid& grid)
    : values_(values),
      predictions_(predictions),
      scales_(scales),
      grid_(grid),
      cells_(std::make_unique_for_overwrite<std::uint16_t[]>(values.size())),
      counts_(std::make_unique_for_overwrite<std::uint8_t[]>(values.size())),
      bits_(std::make_unique_for_overwrite<std::uint32_t[]>(values.size())) {
  constexpr std::uint16_t kZeroCell = predict::cell_of(predict::kZeroContext, predict::kZeroSymbol);
  const predict::RowKernels& kernels = predict::row_kernels();
  const std::vector<float> zeros(predictions.empty() ? columns() : 0);
  const std::vector<std::int32_t> column_scales(scales.columns.begin(), scales.columns.end());
  const std::vector<std::size_t> zero_columns = predict::zero_lines(scales.columns);
  for (std::size_t i = 0; i < scales.rows.size(); ++i) {
    const std::size_t at = i * columns();
    if (scales.rows[i] == predict::kZeroLine) {
      std::fill_n(cells_.get() + at, columns(), kZeroCell);
      std::fill_n(counts_.get() + at, columns(), std::uint8_t{0});
      std::fill_n(bits_.get() + at, columns(), std::uint32_t{0});
      continue;
    }
    kernels.code_values(values.data() + at,
                        predictions.empty() ? zeros.data() : predictions.data() + at,
                        {grid, scales.rows[i], column_scales.data()}, columns(),
                        {cells_.get() + at, bits_.get() + at, counts_.get() + at});
    for (const std::size_t j : zero_columns) cells_[at + j] = kZeroCell;
    code_rare(i);
  }
}

/// Symbols of those that are kRare.
void TileOnGrid::code_rare(std::size_t row) {
  const std::uint8_t* begin = counts_.get() + row * columns();
  const std::uint8_t* end = begin + columns();
  const auto next = [&](const std::uint8_t* from) {
    return static_cast<const std::uint8_t*>(
        std::memchr(from, predict::kRare, static_cast<std::size_t>(end - from)));
  };
  for (const std::uint8_t* at = next(begin); at != nullptr; at = next(at + 1)) {
    std::uint16_t& cell = cells_[static_cast<std::size_t>(at - counts_.get())];
    const predict::Code code = code_at(row, static_cast<std::size_t>(at - begin));
    cell = predict::cell_of(predict::context_of(cell), code.symbol);
  }
}

predict::Code TileOnGrid::code_at(std::size_t row, std::size_t column) const {
  const std::size_t at = row * columns() + column;
  const predict::Place place =
      predict::place_of(predictions_.empty() ? 0 : predictions_[at],
                        scales_.rows[row] + scales_.columns[column], grid_);
  return predict::code_value(std::bit_cast<std::uint32_t>(values_[at]), place, grid_);
}

}  // namespace lmgc::codec
