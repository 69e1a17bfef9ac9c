#include "codec/tile_on_grid.h"

#include <algorithm>
#include <bit>

#include "coder/rans_tables.h"
#include "predict/row_kernels.h"

namespace lmgc::codec {
namespace {

constexpr std::uint16_t kZeroCell = coder::cell_of(predict::kZeroContext, predict::kZeroSymbol);

}  // namespace

TileOnGrid::TileOnGrid(std::span<const float> values, std::span<const float> predictions,
                       const predict::Scales& scales, const predict::FloatGrid& grid)
    : values_(values),
      predictions_(predictions),
      scales_(scales),
      grid_(grid),
      column_scales_(scales.columns.begin(), scales.columns.end()),
      zero_columns_(predict::zero_lines(scales.columns)),
      zeros_(predictions.empty() ? scales.columns.size() : 0),
      band_values_(kBandValues),
      band_predictions_(kBandValues),
      band_scales_(kBandValues),
      counts_(std::max(scales.columns.size(), kBandValues)),
      bits_(counts_.size()) {}

void TileOnGrid::code(const predict::Block& band, std::uint16_t* cells) {
  if (band.rows() == 1) {
    code_row(band.top, band.left, band.columns(), cells);
  } else {
    code_rows(band, cells);
  }
  auto zero = std::ranges::lower_bound(zero_columns_, band.left);
  for (; zero != zero_columns_.end() && *zero < band.right; ++zero) {
    for (std::size_t i = 0; i < band.rows(); ++i) {
      cells[i * band.columns() + *zero - band.left] = kZeroCell;
    }
  }
}

void TileOnGrid::code_row(std::size_t row, std::size_t left, std::size_t count,
                          std::uint16_t* cells) {
  if (scales_.rows[row] == predict::kZeroLine) return clear(0, count, cells);
  const std::size_t at = row * columns() + left;
  predict::row_kernels().code_values(
      values_.data() + at, predictions_.empty() ? zeros_.data() : predictions_.data() + at,
      {grid_, scales_.rows[row], column_scales_.data() + left}, count,
      {cells, bits_.data(), counts_.data()});
}

void TileOnGrid::code_rows(const predict::Block& band, std::uint16_t* cells) {
  const std::size_t count = band.columns();
  for (std::size_t i = 0; i < band.rows(); ++i) {
    const std::size_t from = (band.top + i) * columns() + band.left, to = i * count;
    std::copy_n(values_.data() + from, count, band_values_.data() + to);
    if (!predictions_.empty()) {
      std::copy_n(predictions_.data() + from, count, band_predictions_.data() + to);
    }
    const std::int32_t row_scale = scales_.rows[band.top + i];
    for (std::size_t j = 0; j < count; ++j) {
      band_scales_[to + j] = row_scale + column_scales_[band.left + j];
    }
  }
  predict::row_kernels().code_values(band_values_.data(), band_predictions_.data(),
                                     {grid_, 0, band_scales_.data()}, band.values(),
                                     {cells, bits_.data(), counts_.data()});
  for (std::size_t i = 0; i < band.rows(); ++i) {
    if (scales_.rows[band.top + i] == predict::kZeroLine) clear(i * count, count, cells);
  }
}

void TileOnGrid::clear(std::size_t begin, std::size_t count, std::uint16_t* cells) {
  std::fill_n(cells + begin, count, kZeroCell);
  std::fill_n(counts_.data() + begin, count, std::uint8_t{0});
  std::fill_n(bits_.data() + begin, count, std::uint32_t{0});
}

predict::Code TileOnGrid::code_rare(std::size_t row, std::size_t column,
                                    std::uint16_t& cell) const {
  const std::size_t at = row * columns() + column;
  const predict::Place place =
      predict::place_of(predictions_.empty() ? 0 : predictions_[at],
                        scales_.rows[row] + scales_.columns[column], grid_);
  const predict::Code code =
      predict::code_value(std::bit_cast<std::uint32_t>(values_[at]), place, grid_);
  cell = coder::cell_of(static_cast<std::size_t>(place.context),
                        static_cast<std::size_t>(code.symbol));
  return code;
}

std::vector<std::uint16_t> TileOnGrid::sample() {
  constexpr std::size_t kMost = 8192, kLongest = 128;
  std::vector<std::size_t> rows;  // that say something
  for (std::size_t i = 0; i < scales_.rows.size(); ++i) {
    if (scales_.rows[i] != predict::kZeroLine) rows.push_back(i);
  }
  const bool all = rows.size() * columns() <= kMost;
  const std::size_t run = all ? columns() : std::min(kLongest, columns());
  const std::size_t runs = all ? rows.size() : kMost / run;
  const std::size_t places = columns() - run + 1;
  std::vector<std::uint16_t> cells(runs * run);
  for (std::size_t i = 0; i < runs; ++i) {
    const std::size_t left = i * 5 * run % places;  // else columns and rows would be in step
    const std::size_t row = rows[i * rows.size() / runs];
    std::uint16_t* run_cells = cells.data() + i * run;
    code({row, row + 1, left, left + run}, run_cells);
    for (std::size_t j = 0; j < run; ++j) {
      if (counts_[j] == predict::kRare) code_rare(row, left + j, run_cells[j]);
    }
  }
  return cells;
}

}  // namespace lmgc::codec
