#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "codec/tile_coder.h"
#include "predict/own_rows.h"
#include "predict/tile.h"
#include "serialize/dtype.h"

/// Codes a tile in sections of rows, each with a model that knows the rows before it.
namespace lmgc::codec {

/// First byte of a tile's code in sections: learning starts from nothing, or from history. Flags of
/// other codes are below.
inline constexpr std::byte kSections{254}, kSectionsFromHistory{255};

/// Calls coding(its tile, its model) for each section, the rows of the one before being there.
using SectionCoding = std::function<void(const predict::Tile&, const predict::Model*)>;
void each_section(serialize::DType dtype, const std::byte* values, const predict::Tile& tile,
                  predict::OwnRows& own, const SectionCoding& coding);

/// The code of a tile that sections' codes make.
[[nodiscard]] std::vector<std::byte> joined_sections(std::span<const std::vector<std::byte>> codes);

/// Takes `other` behind its `first` byte if that is shorter.
void keep_shorter(std::vector<std::byte>& code, std::byte first, std::vector<std::byte> other);

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
