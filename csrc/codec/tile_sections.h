#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "codec/tile_coder.h"
#include "predict/own_rows.h"
#include "predict/tile.h"
#include "serialize/dtype.h"

/// Codes a tile in sections of rows, each with a model that knows the rows before it.
namespace lmgc::codec {

/// As encode_tile. `own`: where learning starts from.
[[nodiscard]] std::vector<std::byte> encode_sections(serialize::DType dtype,
                                                     const std::byte* values,
                                                     const predict::Tile& tile,
                                                     predict::OwnRows own, TileBuffers& buffers);

/// As decode_tile.
void decode_sections(serialize::DType dtype, std::span<const std::byte> code,
                     const predict::Tile& tile, predict::OwnRows own, TileBuffers& buffers,
                     std::byte* values);

}  // namespace lmgc::codec
