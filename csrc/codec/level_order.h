#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "codec/byte_stream.h"
#include "codec/levels.h"
#include "codec/payload_error.h"
#include "codec/tile_header.h"
#include "predict/model.h"
#include "predict/predictor.h"
#include "predict/tile.h"

/// What a tile of levels' encoder and its decoder both do.
namespace lmgc::codec {

/// What a tile's code says before its side symbols.
struct LevelHeader {
  std::uint8_t flags = 0;  ///< kHasColumnScales, kIsPredicted, kRowsFromHistory, kIsMixed
  predict::Member member;
  std::int16_t level = 0;  ///< if kIsPredicted
};
/// Rows' scales follow what history expects of them, not their steps.
inline constexpr std::uint8_t kRowsFromHistory = 4;
/// Integers go through a predict::LevelMixer.
inline constexpr std::uint8_t kIsMixed = 8;

inline void write_level_header(const LevelHeader& header, ByteWriter& writer) {
  writer.fixed(header.flags);
  writer.fixed(static_cast<std::uint8_t>(header.member.shape << 4 | header.member.width));
  writer.fixed(header.member.zeros);
  if (header.flags & kIsPredicted) writer.fixed(header.level);
}

/// Throws PayloadError.
[[nodiscard]] inline LevelHeader read_level_header(ByteReader& reader, bool has_model) {
  LevelHeader header;
  header.flags = reader.fixed<std::uint8_t>();
  const auto shape_and_width = reader.fixed<std::uint8_t>();
  header.member = {static_cast<std::uint8_t>(shape_and_width >> 4),
                   static_cast<std::uint8_t>(shape_and_width & 15), reader.fixed<std::uint8_t>()};
  const bool predicted = (header.flags & kIsPredicted) != 0;
  if (header.flags > (kHasColumnScales | kIsPredicted | kRowsFromHistory | kIsMixed) ||
      !header.member.valid() || (predicted && !has_model)) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "a tile's header");
  }
  if (predicted) {
    header.level = std::clamp<std::int16_t>(reader.fixed<std::int16_t>(), -predict::kMaxLevel,
                                            predict::kMaxLevel);
  }
  return header;
}

/// Where a tile's values lie, in coding order.
struct LevelOrder {
  const predict::Tile& tile;
  std::vector<std::uint16_t> rows, columns;

  LevelOrder(const predict::Tile& of, const predict::Model* model)
      : tile(of), rows(of.rows), columns(of.columns) {
    if (model != nullptr) {
      rows = model->rows.order;
      columns = model->columns.order;
    } else {
      std::iota(rows.begin(), rows.end(), std::uint16_t{0});
      std::iota(columns.begin(), columns.end(), std::uint16_t{0});
    }
  }

  [[nodiscard]] std::size_t start(std::size_t row) const {
    return tile.start + rows[row] * tile.stride;
  }

  /// Steps [rows][columns] in coding order.
  void fill_steps(const StepMap& map, std::span<float> steps) const {
    std::vector<float> row(tile.columns);
    for (std::size_t i = 0; i < tile.rows; ++i) {
      map.fill(start(i), tile.columns, row.data());
      float* to = steps.data() + i * tile.columns;
      for (std::size_t j = 0; j < tile.columns; ++j) to[j] = row[columns[j]];
    }
  }
};

/// Scales' bases (predict::LevelTile), by what history expects.
inline Expectations level_bases(std::uint8_t flags, const predict::Model* model,
                                const predict::Tile& tile) {
  Expectations bases = expectations(model, tile);
  if ((flags & kRowsFromHistory) == 0) bases.rows.assign(tile.rows, 0);
  // About 0, for their unit is another: by one that has seen values.
  for (auto* base : {&bases.rows, &bases.columns}) {
    std::vector<std::int16_t> sorted = *base;
    const auto usual = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() * 3 / 4);
    std::nth_element(sorted.begin(), usual, sorted.end());
    for (std::int16_t& number : *base) {
      number = static_cast<std::int16_t>(
          std::clamp(number - *usual, -predict::kMaxLevelScale, predict::kMaxLevelScale));
    }
  }
  return bases;
}

/// Exponents of rows are sent relative to those of their first values' steps.
[[nodiscard]] inline std::int16_t step_exponent(float step) {
  return step > 0 ? static_cast<std::int16_t>(
                        static_cast<int>(std::bit_cast<std::uint32_t>(step) >> 23) - 127)
                  : std::int16_t{0};
}

}  // namespace lmgc::codec
