#pragma once

#include <cstdint>
#include <span>

#include "predict/level_model.h"
#include "predict/scales.h"

/// The encoder's choices for a tile of levels: where they are likeliest, by samples.
namespace lmgc::predict {

/// A tile [rows][columns] in coding order.
struct LevelTile {
  std::span<const std::int8_t> levels;
  std::span<const float> predictions;  ///< in steps
  std::size_t columns;
  LevelRange range;
  /// What history says of scales, by row and by column, but for a number that all have in common.
  std::span<const std::int16_t> row_base, column_base;

  [[nodiscard]] std::size_t rows() const { return levels.size() / columns; }
};

/// How far scales lie above the tile's bases; kZeroLine for rows and columns of zeros. Without
/// `with_columns` columns are 0.
[[nodiscard]] Scales estimate_level_scales(const LevelTile& tile, bool with_columns);

/// The member for these scales.
[[nodiscard]] Member choose_level_member(const LevelTile& tile, const Scales& scales);

}  // namespace lmgc::predict
