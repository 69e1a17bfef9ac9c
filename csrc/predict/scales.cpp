#include "predict/scales.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "predict/grid.h"

namespace lmgc::predict {
namespace {

// A float's bits are its log2, piecewise linear, in units of 2^-23 octaves and from -127 on. The
// lowest 12 are dropped so that 4,096 of them add up in 32 bits.
constexpr int kDropped = 12;
constexpr float kUnitsPerStep = static_cast<float>(1 << (23 - kDropped)) / kScaleSteps;
/// Mean of log2(x) above its piecewise linear lower bound.
constexpr float kBow = 0.0573F;

std::uint32_t size_of(std::uint32_t bits) { return (bits & 0x7fffffff) >> kDropped; }

/// Sizes [columns] of a row, at least what rounding of the value leaves; 0 where the value is zero
/// or not finite.
void sizes_of_row(const float* values, const float* predictions, std::size_t columns,
                  std::uint32_t* sizes) {
  constexpr std::uint32_t kUlp = std::uint32_t{24} << (23 - kDropped);
  constexpr std::uint32_t kInfinite = std::uint32_t{255} << (23 - kDropped);
  for (std::size_t j = 0; j < columns; ++j) {
    const std::uint32_t own = size_of(std::bit_cast<std::uint32_t>(values[j]));
    const std::uint32_t least = own > kUlp ? own - kUlp : 1;
    const std::uint32_t size =
        predictions != nullptr ? size_of(std::bit_cast<std::uint32_t>(values[j] - predictions[j]))
                               : own;
    sizes[j] = own - 1 < kInfinite - 1 ? std::max(size, least) : 0;
  }
}

std::int16_t scale_of(double mean_size) {
  const double scale = (mean_size / kUnitsPerStep) - (127.0 - kBow) * kScaleSteps;
  return static_cast<std::int16_t>(std::clamp(std::lround(scale), -1L * kMaxScale, 1L * kMaxScale));
}

}  // namespace

Scales estimate_scales(std::span<const float> values, std::span<const float> predictions,
                       std::size_t columns, bool with_columns) {
  const std::size_t rows = values.size() / columns;
  Scales scales{std::vector<std::int16_t>(rows, kZeroLine),
                std::vector<std::int16_t>(columns, kZeroLine)};
  std::vector<std::uint32_t> sizes(columns), counts(columns), column_bits(columns);
  std::vector<std::int64_t> excess(columns);
  for (std::size_t i = 0; i < rows; ++i) {
    sizes_of_row(values.data() + i * columns,
                 predictions.empty() ? nullptr : predictions.data() + i * columns, columns,
                 sizes.data());
    std::uint64_t sum = 0;
    std::uint32_t count = 0, row_bits = 0;
    for (std::size_t j = 0; j < columns; ++j) {
      const auto bits = std::bit_cast<std::uint32_t>(values[i * columns + j]);
      row_bits |= bits;
      column_bits[j] |= bits;
      sum += sizes[j];
      count += sizes[j] != 0 ? 1 : 0;
    }
    if (row_bits == 0) continue;
    scales.rows[i] = 0;
    if (count == 0) continue;
    const auto mean = static_cast<std::uint32_t>(sum / count);
    scales.rows[i] = scale_of(mean);
    for (std::size_t j = 0; j < columns; ++j) {
      excess[j] += sizes[j] != 0 ? std::int64_t{sizes[j]} - mean : 0;
      counts[j] += sizes[j] != 0 ? 1 : 0;
    }
  }
  for (std::size_t j = 0; j < columns; ++j) {
    if (!with_columns || column_bits[j] != 0) scales.columns[j] = 0;
    if (with_columns && counts[j] != 0) {
      const double mean = static_cast<double>(excess[j]) / counts[j];
      scales.columns[j] = static_cast<std::int16_t>(
          std::clamp(std::lround(mean / kUnitsPerStep), -1L * kMaxScale, 1L * kMaxScale));
    }
  }
  return scales;
}

}  // namespace lmgc::predict
