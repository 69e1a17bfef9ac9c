#include <algorithm>
#include <memory>
#include <optional>

#include "codec/level_order.h"
#include "codec/level_tile.h"
#include "codec/payload_error.h"
#include "codec/side_symbols.h"
#include "codec/tile_order.h"
#include "coder/range_decoder.h"
#include "predict/level_mixer.h"
#include "predict/predictor.h"
#include "predict/scales.h"

namespace lmgc::codec {
namespace {

using predict::Block;
using predict::kZeroLine;

/// Decodes a tile's integers, row after row of its blocks.
class IntegerDecoder {
 public:
  IntegerDecoder(const predict::Scales& scales, const Expectations& bases,
                 const predict::LevelModel& levels, std::span<const float> steps, bool mixed,
                 std::span<const std::byte> code)
      : scales_(scales), bases_(bases), levels_(levels), steps_(steps), decoder_(code) {
    if (!mixed) return;
    mixer_ =
        std::make_unique<predict::LevelMixer>(scales.rows.size(), scales.columns.size(), levels);
  }

  /// Values of row `i` from column `left` on. `predictions`: null for all 0.
  void decode(std::size_t i, std::size_t left, std::size_t count, const float* predictions,
              float* values) {
    if (scales_.rows[i] == kZeroLine) {
      std::fill_n(values, count, 0.0F);
      return;
    }
    const int row_scale = bases_.rows[i] + scales_.rows[i];
    const float* steps = steps_.data() + i * scales_.columns.size() + left;
    for (std::size_t j = 0; j < count; ++j) {
      const std::int16_t column_scale = scales_.columns[left + j];
      if (column_scale == kZeroLine || steps[j] == 0) {
        values[j] = 0;
        continue;
      }
      const float prediction =
          predictions != nullptr ? predict::in_steps(predictions[j], steps[j]) : 0.0F;
      const int scale = row_scale + bases_.columns[left + j] + column_scale;
      const int level = mixer_ ? mixed_level(i, left + j, prediction, scale)
                               : plain_level(prediction, levels_.reciprocal(scale));
      values[j] = static_cast<float>(level) * steps[j];
    }
  }

 private:
  int plain_level(float prediction, float reciprocal) {
    const int level = levels_.find(decoder_.target(), prediction, reciprocal);
    decoder_.take(levels_.interval(level, prediction, reciprocal));
    return level;
  }

  int mixed_level(std::size_t i, std::size_t j, float prediction, int scale) {
    return mixer_->find(i, j, prediction, scale, [&](auto, int, logistic::Probability chance) {
      const bool yes = decoder_.target() < coder::interval_of_bit(true, chance).frequency;
      decoder_.take(coder::interval_of_bit(yes, chance));
      return yes;
    });
  }

  const predict::Scales& scales_;
  const Expectations& bases_;
  const predict::LevelModel& levels_;
  std::span<const float> steps_;
  coder::RangeDecoder decoder_;
  std::unique_ptr<predict::LevelMixer> mixer_;
};

/// A section's rows may lie anywhere in its tile: the order knows.
void clear_tile(const LevelOrder& order, float* values) {
  for (std::size_t i = 0; i < order.rows.size(); ++i) {
    std::fill_n(values + order.start(i), order.columns.size(), 0.0F);
  }
}

}  // namespace

void decode_level_tile(std::span<const std::byte> code, predict::LevelRange range,
                       const StepMap& map, const predict::Tile& tile, const predict::Model* model,
                       LevelBuffers& buffers, float* values) {
  if (code.empty()) return clear_tile(LevelOrder(tile, model), values);
  ByteReader reader(code);
  const LevelHeader header = read_level_header(reader, model != nullptr);
  if ((header.flags & kIsPredicted) == 0) model = nullptr;
  coder::RangeDecoder side(reader.bytes(reader.varint()));
  const Expectations bases = level_bases(header.flags, model, tile);
  predict::Scales scales{std::vector<std::int16_t>(tile.rows),
                         std::vector<std::int16_t>(tile.columns)};
  decode_side_symbols(side, scales.rows);
  if (header.flags & kHasColumnScales) decode_side_symbols(side, scales.columns);

  const LevelOrder order(tile, model);
  const std::span<float> steps = buffers.steps.room(tile.rows * tile.columns);
  order.fill_steps(map, steps);
  std::optional<predict::Predictor> predictor;
  if (model != nullptr) {
    std::vector<std::int16_t> row_exponents(tile.rows);
    decode_side_symbols(side, row_exponents);
    for (std::size_t i = 0; i < tile.rows; ++i) {
      row_exponents[i] = static_cast<std::int16_t>(
          std::clamp(row_exponents[i] + step_exponent(steps[i * tile.columns]),
                     -predict::kMaxRowExponent, predict::kMaxRowExponent));
    }
    predictor.emplace(*model, row_exponents);
    predictor->set_level(header.level);
  }
  const predict::LevelModel levels(header.member, range);
  const bool mixed = (header.flags & kIsMixed) != 0;
  IntegerDecoder decoder(scales, bases, levels, steps, mixed, reader.rest());
  for (const Block& block : blocks_of(model, tile)) {
    const std::size_t columns = block.columns();
    const float* predictions = nullptr;
    float* first = nullptr;
    if (predictor) {
      first = buffers.first_predictions.room(block.values()).data();
      predictor->first(block, block.left, {first, columns});
      predictions = first;
      if (predictor->has_second(block.top)) {
        float* both = buffers.predictions.room(block.values()).data();
        predictor->second(block, block.top, {first, columns}, {both, columns});
        predictions = both;
      }
    }
    float* decoded = buffers.values.room(block.values()).data();
    for (std::size_t i = 0; i < block.rows(); ++i) {
      float* row = decoded + i * columns;
      decoder.decode(block.top + i, block.left, columns,
                     predictor ? predictions + i * columns : nullptr, row);
      float* to = values + order.start(block.top + i);
      for (std::size_t j = 0; j < columns; ++j) to[order.columns[block.left + j]] = row[j];
    }
    if (!predictor) continue;
    predictor->learn_values(block, {decoded, columns});
    predictor->learn_remainders(block, {decoded, columns}, {first, columns});
  }
}

}  // namespace lmgc::codec
