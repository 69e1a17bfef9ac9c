#include "predict/level_scales.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <vector>

namespace lmgc::predict {
namespace {

constexpr std::size_t kRowSample = 96, kColumnSample = 48, kTileSample = 1024;
constexpr std::uint8_t kPlainShape = 4;
/// Bits that a quarter octave away from the tile's scale costs among the side symbols, about.
constexpr float kSideBits = 0.5F;
constexpr int kFarthest = 4 * kMaxLevelScale;

/// One value, as far as its scale matters.
struct Sample {
  float prediction;
  std::int16_t base;
  std::int8_t level;
};

/// log2(x) of a frequency, to a hundredth of a bit.
float log2_of_frequency(std::uint32_t frequency) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(frequency));
  const float mantissa = std::bit_cast<float>((bits & 0x7fffff) | 0x3f800000);
  const auto exponent = static_cast<float>(static_cast<int>(bits >> 23) - 127);
  return exponent + (2 - mantissa / 3) * mantissa - 5.0F / 3;
}

float cost(const LevelModel& model, std::span<const Sample> samples, int scale) {
  float bits = 0;
  for (const Sample& sample : samples) {
    const float reciprocal = model.reciprocal(sample.base + scale);
    const auto interval = model.interval(sample.level, sample.prediction, reciprocal);
    bits += static_cast<float>(coder::kTotalBits) - log2_of_frequency(interval.frequency);
  }
  return bits;
}

/// The scale near `usual` that is the best for all, the way from there included. Looks in steps of
/// `step` first.
int fit(const LevelModel& model, std::span<const Sample> samples, int usual, float way_bits,
        int step) {
  const auto total = [&](int scale) {
    return cost(model, samples, scale) + way_bits * static_cast<float>(std::abs(scale - usual));
  };
  int best = usual;
  float least = total(best);
  for (; step > 0; step /= 2) {
    for (const int direction : {-step, step}) {
      bool moved = false;
      while (std::abs(best + direction) <= kFarthest) {
        const float next = total(best + direction);
        if (next >= least) break;
        least = next;
        best += direction;
        moved = true;
      }
      if (moved) break;
    }
  }
  return best;
}

class Fitter {
 public:
  explicit Fitter(const LevelTile& tile)
      : tile_(tile),
        scales_{std::vector<std::int16_t>(tile.rows(), kZeroLine),
                std::vector<std::int16_t>(tile.columns, kZeroLine)} {
    for (std::size_t i = 0; i < tile.rows(); ++i) {
      for (std::size_t j = 0; j < tile.columns; ++j) {
        if (tile.levels[i * tile.columns + j] == 0) continue;
        scales_.rows[i] = scales_.columns[j] = 0;
      }
    }
    lines(scales_.rows, rows_);
    lines(scales_.columns, columns_);
  }

  Scales fitted(bool with_columns) {
    std::vector<Sample> samples;
    const std::size_t count = rows_.size() * columns_.size();
    const std::size_t step = std::max(count / kTileSample, std::size_t{1}) | 1;
    for (std::size_t at = 0; at < count; at += step) {
      samples.push_back(sample(rows_[at / columns_.size()], columns_[at % columns_.size()]));
    }
    int start = -kMaxLevelScale;
    float least = cost(plain_, samples, start);
    for (int scale = start; scale <= kMaxLevelScale; scale += 8) {
      const float bits = cost(plain_, samples, scale);
      if (bits >= least) continue;
      least = bits;
      start = scale;
    }
    const int usual = fit(plain_, samples, start, 0, 4);
    for (const std::size_t i : rows_) {
      draw(columns_.size(), kRowSample, samples,
           [&](std::size_t k) { return sample(i, columns_[k]); });
      scales_.rows[i] = static_cast<std::int16_t>(fit(plain_, samples, usual, kSideBits, 2));
    }
    if (!with_columns) {
      std::ranges::fill(scales_.columns, std::int16_t{0});
      return std::move(scales_);
    }
    for (const std::size_t j : columns_) {
      draw(rows_.size(), kColumnSample, samples,
           [&](std::size_t k) { return sample(rows_[k], j); });
      scales_.columns[j] = static_cast<std::int16_t>(fit(plain_, samples, 0, kSideBits, 2));
    }
    return std::move(scales_);
  }

 private:
  static void lines(std::span<const std::int16_t> scales, std::vector<std::size_t>& found) {
    for (std::size_t i = 0; i < scales.size(); ++i) {
      if (scales[i] != kZeroLine) found.push_back(i);
    }
  }

  /// Some of a line's values, from all along it.
  template <typename At>
  static void draw(std::size_t count, std::size_t most, std::vector<Sample>& samples,
                   const At& at) {
    samples.clear();
    const std::size_t drawn = std::min(count, most);
    for (std::size_t k = 0; k < drawn; ++k) samples.push_back(at(k * count / drawn));
  }

  [[nodiscard]] Sample sample(std::size_t row, std::size_t column) const {
    const std::size_t at = row * tile_.columns + column;
    const int base = tile_.row_base[row] + tile_.column_base[column] + scales_.rows[row];
    return {tile_.predictions[at], static_cast<std::int16_t>(base), tile_.levels[at]};
  }

  const LevelTile& tile_;
  const LevelModel plain_{{kPlainShape, kPlainWidth, 0}, tile_.range};
  Scales scales_;
  std::vector<std::size_t> rows_, columns_;  // that are not zero throughout
};

}  // namespace

Scales estimate_level_scales(const LevelTile& tile, bool with_columns) {
  return Fitter(tile).fitted(with_columns);
}

Member choose_level_member(const LevelTile& tile, const Scales& scales) {
  std::vector<Sample> samples;
  const std::size_t step = std::max(tile.levels.size() / (2 * kTileSample), std::size_t{1}) | 1;
  for (std::size_t at = 0; at < tile.levels.size(); at += step) {
    const std::size_t i = at / tile.columns, j = at % tile.columns;
    if (scales.rows[i] == kZeroLine || scales.columns[j] == kZeroLine) continue;
    const int base = tile.row_base[i] + tile.column_base[j] + scales.rows[i] + scales.columns[j];
    samples.push_back({tile.predictions[at], static_cast<std::int16_t>(base), tile.levels[at]});
  }
  Member best{kPlainShape, kPlainWidth, 0};
  const auto cost_of = [&](Member member) { return cost({member, tile.range}, samples, 0); };
  float least = cost_of(best);
  constexpr std::array<std::array<int, 3>, 10> kSteps{{{-1, 0, 0},
                                                       {1, 0, 0},
                                                       {0, -1, 0},
                                                       {0, 1, 0},
                                                       {-1, -1, 0},
                                                       {1, 1, 0},
                                                       {0, 0, 1},
                                                       {0, 0, -1},
                                                       {0, 1, 1},
                                                       {0, 0, 4}}};
  for (bool moved = true; moved;) {
    moved = false;
    for (const auto& [shape, width, zeros] : kSteps) {
      Member next = best;
      next.shape = static_cast<std::uint8_t>(best.shape + shape);
      next.width = static_cast<std::uint8_t>(best.width + width);
      next.zeros = static_cast<std::uint8_t>(best.zeros + zeros);
      if (!next.valid()) continue;
      const float bits = cost_of(next);
      if (bits >= least) continue;
      least = bits;
      best = next;
      moved = true;
    }
  }
  return best;
}

}  // namespace lmgc::predict
