#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "predict/grid.h"
#include "predict/predictor.h"
#include "predict/scales.h"

namespace lmgc::codec {

/// The encoder's codes of a tile's values in coding order, band after band.
class TileOnGrid {
 public:
  /// `values`, `predictions` [rows][columns]; `predictions`: empty for all 0. `scales`, and what
  /// the spans see, must outlive it.
  TileOnGrid(std::span<const float> values, std::span<const float> predictions,
             const predict::Scales& scales, const predict::FloatGrid& grid);

  /// Rows of a band of so many columns.
  static constexpr std::size_t band_rows(std::size_t columns) {
    return columns < kFewColumns ? kBandValues / columns : 1;
  }
  /// Codes a band, row by row: context and symbol (coder::cell_of) of each value that is not rare.
  void code(const predict::Block& band, std::uint16_t* cells);
  /// Of the values coded last: how many raw bits each has, or predict::kRare.
  [[nodiscard]] const std::uint8_t* counts() const { return counts_.data(); }
  [[nodiscard]] const std::uint32_t* bits() const { return bits_.data(); }

  /// A rare one's code, and its cell.
  predict::Code code_rare(std::size_t row, std::size_t column, std::uint16_t& cell) const;

  /// Cells of a part of the tile, from everywhere in it but rows that are zero throughout.
  [[nodiscard]] std::vector<std::uint16_t> sample();

 private:
  /// Of a band of several rows, which are coded as one: that pays where they are short.
  static constexpr std::size_t kFewColumns = 64, kBandValues = 1024;

  void code_row(std::size_t row, std::size_t left, std::size_t count, std::uint16_t* cells);
  void code_rows(const predict::Block& band, std::uint16_t* cells);
  void clear(std::size_t begin, std::size_t count, std::uint16_t* cells);
  [[nodiscard]] std::size_t columns() const { return scales_.columns.size(); }

  std::span<const float> values_, predictions_;
  const predict::Scales& scales_;
  predict::FloatGrid grid_;
  std::vector<std::int32_t> column_scales_;
  std::vector<std::size_t> zero_columns_;
  std::vector<float> zeros_;
  std::vector<float> band_values_, band_predictions_;
  std::vector<std::int32_t> band_scales_;
  std::vector<std::uint8_t> counts_;
  std::vector<std::uint32_t> bits_;
};

}  // namespace lmgc::codec
