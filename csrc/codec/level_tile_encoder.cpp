#include <algorithm>
#include <utility>

#include "codec/level_order.h"
#include "codec/level_tile.h"
#include "codec/side_symbols.h"
#include "codec/tile_order.h"
#include "coder/range_encoder.h"
#include "predict/level_mixer.h"
#include "predict/level_scales.h"
#include "predict/tile_prediction.h"

namespace lmgc::codec {
namespace {

using predict::kZeroLine;

/// Values from which on a tile may repay what a mixer has to learn.
constexpr std::size_t kWorthMixing = 8192;

bool all_equal(std::span<const float> numbers) {
  return std::ranges::all_of(numbers, [&](float number) { return number == numbers.front(); });
}

/// Calls work(row, column, its scale) for what is coded, in order.
template <typename Work>
void each_integer(const predict::LevelTile& tile, const predict::Scales& scales,
                  std::span<const float> steps, std::span<const predict::Block> blocks,
                  const Work& work) {
  for (const predict::Block& block : blocks) {
    for (std::size_t i = block.top; i < block.bottom; ++i) {
      if (scales.rows[i] == kZeroLine) continue;
      const int row_scale = tile.row_base[i] + scales.rows[i];
      for (std::size_t j = block.left; j < block.right; ++j) {
        if (scales.columns[j] == kZeroLine || steps[i * tile.columns + j] == 0) continue;
        work(i, j, row_scale + tile.column_base[j] + scales.columns[j]);
      }
    }
  }
}

std::vector<std::byte> code_integers(const predict::LevelTile& tile, const predict::Scales& scales,
                                     const predict::LevelModel& levels,
                                     std::span<const float> steps,
                                     std::span<const predict::Block> blocks) {
  coder::RangeEncoder encoder;
  each_integer(tile, scales, steps, blocks, [&](std::size_t i, std::size_t j, int scale) {
    const std::size_t at = i * tile.columns + j;
    encoder.encode(
        levels.interval(tile.levels[at], tile.predictions[at], levels.reciprocal(scale)));
  });
  return std::move(encoder).finish();
}

std::vector<std::byte> mix_integers(const predict::LevelTile& tile, const predict::Scales& scales,
                                    const predict::LevelModel& levels, std::span<const float> steps,
                                    std::span<const predict::Block> blocks) {
  coder::RangeEncoder encoder;
  predict::LevelMixer mixer(tile.rows(), tile.columns, levels);
  each_integer(tile, scales, steps, blocks, [&](std::size_t i, std::size_t j, int scale) {
    const std::size_t at = i * tile.columns + j;
    const int level = tile.levels[at];
    mixer.find(i, j, tile.predictions[at], scale,
               [&](predict::Question question, int asked, logistic::Probability chance) {
                 const bool yes =
                     question == predict::Question::kIs ? level == asked : level > asked;
                 encoder.encode(coder::interval_of_bit(yes, chance));
                 return yes;
               });
  });
  return std::move(encoder).finish();
}

}  // namespace

std::vector<std::byte> encode_level_tile(const std::int8_t* integers, predict::LevelRange range,
                                         const StepMap& map, const predict::Tile& tile,
                                         const predict::Model* model, bool with_columns, bool mixes,
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

  const std::vector<predict::Block> blocks = blocks_of(model, tile);
  const predict::LevelModel level_model(header.member, range);
  std::vector<std::byte> code_bytes = code_integers(level_tile, scales, level_model, steps, blocks);
  if (mixes && count >= kWorthMixing) {
    std::vector<std::byte> mixed = mix_integers(level_tile, scales, level_model, steps, blocks);
    if (mixed.size() < code_bytes.size()) {
      code_bytes = std::move(mixed);
      header.flags |= kIsMixed;
    }
  }

  ByteWriter code;
  write_level_header(header, code);
  code.varint(side_bytes.size());
  code.bytes(side_bytes);
  code.bytes(code_bytes);
  return std::move(code.written());
}

}  // namespace lmgc::codec
