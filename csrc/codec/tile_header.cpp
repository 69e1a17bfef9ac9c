#include "codec/tile_header.h"

#include <algorithm>

#include "codec/payload_error.h"
#include "predict/predictor.h"
#include "predict/rows_above.h"
#include "predict/scales.h"

namespace lmgc::codec {
namespace {

std::vector<std::int16_t> expected_scales(std::span<const std::int16_t> exponents) {
  std::vector<std::int16_t> expected(exponents.size());
  std::ranges::transform(exponents, expected.begin(), [](std::int16_t exponent) {
    return static_cast<std::int16_t>(std::clamp<int>(exponent, -200, 200) * predict::kScaleSteps);
  });
  return expected;
}

}  // namespace

void write_header(const TileHeader& header, ByteWriter& writer) {
  writer.fixed<std::uint8_t>(header.flags);
  writer.fixed<std::uint8_t>(static_cast<std::uint8_t>(header.trailing_zeros.head));
  writer.fixed<std::uint8_t>(static_cast<std::uint8_t>(header.trailing_zeros.tail));
  writer.fixed<std::uint8_t>(
      static_cast<std::uint8_t>(header.member.shape << 4 | header.member.width));
  writer.fixed<std::uint8_t>(header.member.zeros);
  if (header.flags & kIsPredicted) writer.fixed<std::int16_t>(header.level);
  if (header.flags & kHasRowsAbove) writer.fixed<std::uint8_t>(header.rows_above);
}

TileHeader read_header(ByteReader& reader, int tail_bits, bool has_model) {
  TileHeader header;
  header.flags = reader.fixed<std::uint8_t>();
  header.trailing_zeros.head = reader.fixed<std::uint8_t>();
  header.trailing_zeros.tail = reader.fixed<std::uint8_t>();
  const auto shape_and_width = reader.fixed<std::uint8_t>();
  header.member = {static_cast<std::uint8_t>(shape_and_width >> 4),
                   static_cast<std::uint8_t>(shape_and_width & 15), reader.fixed<std::uint8_t>()};
  if (header.flags > (kHasColumnScales | kHasRowsAbove) || header.trailing_zeros.head > 23 ||
      header.trailing_zeros.tail > tail_bits || !header.member.valid()) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "a tile's header");
  }
  if (header.flags & kIsPredicted) {
    if (!has_model) throw PayloadError(PayloadError::Kind::kCorrupt, "a tile without a model");
    header.level = std::clamp<std::int16_t>(reader.fixed<std::int16_t>(), -predict::kMaxLevel,
                                            predict::kMaxLevel);
  }
  if (header.flags & kHasRowsAbove) {
    header.rows_above = reader.fixed<std::uint8_t>();
    if (header.rows_above == 0 || header.rows_above > predict::kMaxRowsAbove) {
      throw PayloadError(PayloadError::Kind::kCorrupt, "rows above of a tile");
    }
  }
  return header;
}

predict::FloatGrid grid_of(const TrailingZeros& trailing_zeros, int lowest) {
  return {23 - trailing_zeros.head, std::max(trailing_zeros.head - 149, lowest)};
}

Expectations expectations(const predict::Model* model, const predict::Tile& tile) {
  if (model == nullptr) {
    return {std::vector<std::int16_t>(tile.rows), std::vector<std::int16_t>(tile.columns)};
  }
  return {expected_scales(model->rows.exponent), expected_scales(model->remainder_exponent)};
}

void shift_scales(std::span<std::int16_t> scales, std::span<const std::int16_t> expected,
                  int sign) {
  for (std::size_t i = 0; i < scales.size(); ++i) {
    if (scales[i] == predict::kZeroLine) continue;
    const int shifted = scales[i] + sign * expected[i];
    scales[i] = static_cast<std::int16_t>(std::clamp(shifted, -4095, 4095));
  }
}

}  // namespace lmgc::codec
