#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "predict/grid.h"
#include "predict/scales.h"

namespace lmgc::codec {

/// The encoder's codes of all values [rows][columns] of a tile in coding order.
class TileOnGrid {
 public:
  /// `predictions`: empty for all 0. `scales`, and what the spans see, must outlive it.
  TileOnGrid(std::span<const float> values, std::span<const float> predictions,
             const predict::Scales& scales, const predict::FloatGrid& grid);

  [[nodiscard]] std::size_t columns() const { return scales_.columns.size(); }
  /// Context and symbol of each (predict::cell_of).
  [[nodiscard]] std::span<const std::uint16_t> cells() const {
    return {cells_.get(), values_.size()};
  }
  /// How many raw bits each has, or predict::kRare: code_at knows.
  [[nodiscard]] const std::uint8_t* counts() const { return counts_.get(); }
  [[nodiscard]] const std::uint32_t* bits() const { return bits_.get(); }

  /// The code of any value but +0.0.
  [[nodiscard]] predict::Code code_at(std::size_t row, std::size_t column) const;

 private:
  void code_rare(std::size_t row);

  std::span<const float> values_, predictions_;
  const predict::Scales& scales_;
  predict::FloatGrid grid_;
  std::unique_ptr<std::uint16_t[]> cells_;
  std::unique_ptr<std::uint8_t[]> counts_;
  std::unique_ptr<std::uint32_t[]> bits_;
};

}  // namespace lmgc::codec
