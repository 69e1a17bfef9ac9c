#include <algorithm>
#include <utility>

#include "codec/level_order.h"
#include "codec/level_tile.h"
#include "codec/side_symbols.h"
#include "codec/tile_order.h"
#include "coder/range_encoder.h"
#include "predict/level_scales.h"
#include "predict/tile_prediction.h"

namespace lmgc::codec {
namespace {

using predict::kZeroLine;

bool all_equal(std::span<const float> numbers) {
  return std::ranges::all_of(numbers, [&](float number) { return number == numbers.front(); });
}

std::vector<std::byte> code_integers(const predict::LevelTile& tile, const predict::Scales& scales,
                                     const predict::LevelModel& levels,
                                     std::span<const float> steps,
                                     std::span<const predict::Block> blocks) {
  coder::RangeEncoder encoder;
  for (const predict::Block& block : blocks) {
    for (std::size_t i = block.top; i < block.bottom; ++i) {
      if (scales.rows[i] == kZeroLine) continue;
      const int row_scale = tile.row_base[i] + scales.rows[i];
      for (std::size_t j = block.left; j < block.right; ++j) {
        const std::size_t at = i * tile.columns + j;
        if (scales.columns[j] == kZeroLine || steps[at] == 0) continue;
        const float reciprocal =
            levels.reciprocal(row_scale + tile.column_base[j] + scales.columns[j]);
        encoder.encode(levels.interval(tile.levels[at], tile.predictions[at], reciprocal));
      }
    }
  }
  return std::move(encoder).finish();
}

}  // namespace

std::vector<std::byte> encode_level_tile(const std::int8_t* integers, predict::LevelRange range,
                                         const StepMap& map, const predict::Tile& tile,
                                         const predict::Model* model, bool with_columns,
                                         LevelBuffers& buffers) {
  const LevelOrder order(tile, model);
  const std::size_t count = tile.rows * tile.columns;
  const std::span<std::int8_t> levels = buffers.levels.room(count);
  for (std::size_t i = 0; i < tile.rows; ++i) {
    const std::int8_t* from = integers + order.start(i);
    std::int8_t* to = levels.data() + i * tile.columns;
    for (std::size_t j = 0; j < tile.columns; ++j) to[j] = from[order.columns[j]];
  }
  if (std::ranges::all_of(levels, [](std::int8_t level) { return level == 0; })) return {};

  const std::span<float> steps = buffers.steps.room(count);
  order.fill_steps(map, steps);
  LevelHeader header;
  const std::span<float> predictions = buffers.predictions.room(count);
  predict::TilePrediction prediction;
  if (model != nullptr) {
    header.flags = all_equal(steps) ? kIsPredicted | kRowsFromHistory : kIsPredicted;
    const std::span<float> values = buffers.values.room(count);
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = static_cast<float>(levels[i]) * steps[i];
    }
    prediction = predict::predict_tile(values, *model, predictions);
    header.level = static_cast<std::int16_t>(prediction.level);
    for (std::size_t i = 0; i < count; ++i) {
      predictions[i] = predict::in_steps(predictions[i], steps[i]);
    }
    for (std::size_t i = 0; i < tile.rows; ++i) {
      prediction.row_exponents[i] = static_cast<std::int16_t>(
          prediction.row_exponents[i] - step_exponent(steps[i * tile.columns]));
    }
  } else {
    std::ranges::fill(predictions, 0.0F);
  }
  with_columns = with_columns && tile.columns > predict::kFlatColumns && tile.rows > 1;
  if (with_columns) header.flags |= kHasColumnScales;

  const Expectations bases = level_bases(header.flags, model, tile);
  const predict::LevelTile level_tile{levels, predictions, tile.columns,
                                      range,  bases.rows,  bases.columns};
  const predict::Scales scales = predict::estimate_level_scales(level_tile, with_columns);
  header.member = predict::choose_level_member(level_tile, scales);
  coder::RangeEncoder side;
  encode_side_symbols(scales.rows, side);
  if (with_columns) encode_side_symbols(scales.columns, side);
  if (model != nullptr) encode_side_symbols(prediction.row_exponents, side);
  const std::vector<std::byte> side_bytes = std::move(side).finish();

  ByteWriter code;
  write_level_header(header, code);
  code.varint(side_bytes.size());
  code.bytes(side_bytes);
  code.bytes(
      code_integers(level_tile, scales, {header.member, range}, steps, blocks_of(model, tile)));
  return std::move(code.written());
}

}  // namespace lmgc::codec
