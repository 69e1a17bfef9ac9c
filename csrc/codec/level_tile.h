#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "buffer.h"
#include "codec/levels.h"
#include "predict/model.h"
#include "predict/tile.h"

/// Codes one tile of levels: its prediction and scales as those of floats, its integers by a
/// predict::LevelModel (docs/format.md, `levels`).
namespace lmgc::codec {

/// What a thread needs while it codes tiles, one after another.
struct LevelBuffers {
  Buffer<float> values, predictions, first_predictions, steps;
  Buffer<std::int8_t> levels;
};

/// Code of a tile of a tensor's `integers`. Empty if all are 0. `with_columns`: where columns can
/// have scales, they do. `mixes`: tries a mixer too, which takes several times as long.
[[nodiscard]] std::vector<std::byte> encode_level_tile(
    const std::int8_t* integers, predict::LevelRange range, const StepMap& steps,
    const predict::Tile& tile, const predict::Model* model, bool with_columns, bool mixes,
    LevelBuffers& buffers);

/// Inverse: writes the tile's elements of `values`, integers times steps. Throws PayloadError.
void decode_level_tile(std::span<const std::byte> code, predict::LevelRange range,
                       const StepMap& steps, const predict::Tile& tile, const predict::Model* model,
                       LevelBuffers& buffers, float* values);

}  // namespace lmgc::codec
