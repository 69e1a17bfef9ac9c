#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "buffer.h"
#include "predict/model.h"
#include "predict/tile.h"
#include "serialize/dtype.h"

/// Codes one tile: its prediction, scales, symbols and raw bits (docs/format.md, `tile`).
namespace lmgc::codec {

/// What a thread needs while it codes tiles, one after another.
struct TileBuffers {
  Buffer<float> values, predictions, first_predictions;
  Buffer<std::uint16_t> cells;
  Buffer<std::byte> symbols, raw, words;
};

/// Code of a tile of `values` (aligned elements of a float dtype, at their places in the
/// parameter). `model`: what history says about it, or null; where it says little or nothing,
/// `rows_above` are tried, which requires that the tile, too, says where its rows are. Empty if all
/// values are +0.0.
[[nodiscard]] std::vector<std::byte> encode_tile(serialize::DType dtype, const std::byte* values,
                                                 const predict::Tile& tile,
                                                 const predict::Model* model, bool rows_above,
                                                 TileBuffers& buffers);

/// Inverse: writes the tile's elements of `values`. Throws PayloadError; any code ends in values or
/// in that error.
void decode_tile(serialize::DType dtype, std::span<const std::byte> code, const predict::Tile& tile,
                 const predict::Model* model, TileBuffers& buffers, std::byte* values);

}  // namespace lmgc::codec
