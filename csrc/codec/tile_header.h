#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/byte_stream.h"
#include "predict/family.h"
#include "predict/grid.h"
#include "predict/model.h"
#include "predict/tile.h"

/// What a tile's code says before its symbols, for its encoder and its decoder.
namespace lmgc::codec {

inline constexpr std::uint8_t kHasColumnScales = 1;
inline constexpr std::uint8_t kIsPredicted = 2;
inline constexpr std::uint8_t kHasRowsAbove = 4;

/// What all values of a tile share: trailing zero bits of the lifted mantissa and of the tail.
struct TrailingZeros {
  int head = 23;
  int tail = 0;
};

struct TileHeader {
  std::uint8_t flags = 0;
  TrailingZeros trailing_zeros;
  predict::Member member;
  std::int16_t level = 0;
  std::uint8_t rows_above = 0;  ///< that a row is predicted from, with kHasRowsAbove
};

void write_header(const TileHeader& header, ByteWriter& writer);

/// Throws PayloadError. `tail_bits`: the dtype's.
[[nodiscard]] TileHeader read_header(ByteReader& reader, int tail_bits, bool has_model);

/// The grid of a tile's lifted values. `lowest`: the dtype's.
[[nodiscard]] predict::FloatGrid grid_of(const TrailingZeros& trailing_zeros, int lowest);

/// Scales are sent relative to what history expects of them: 0 without a model.
struct Expectations {
  std::vector<std::int16_t> rows, columns;
};
[[nodiscard]] Expectations expectations(const predict::Model* model, const predict::Tile& tile);

/// Adds sign * expected to scales other than kZeroLine, within +-4095.
void shift_scales(std::span<std::int16_t> scales, std::span<const std::int16_t> expected, int sign);

}  // namespace lmgc::codec
