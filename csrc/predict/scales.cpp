#include "predict/scales.h"

#include <algorithm>
#include <cmath>

#include "predict/grid.h"
#include "predict/row_kernels.h"

namespace lmgc::predict {
namespace {

constexpr float kUnitsPerStep = static_cast<float>(1 << (23 - kDroppedSizeBits)) / kScaleSteps;
/// Mean of log2(x) above its piecewise linear lower bound.
constexpr float kBow = 0.0573F;

std::int16_t scale_of(double mean_size) {
  const double scale = (mean_size / kUnitsPerStep) - (127.0 - kBow) * kScaleSteps;
  return static_cast<std::int16_t>(std::clamp(std::lround(scale), -1L * kMaxScale, 1L * kMaxScale));
}

}  // namespace

std::vector<std::size_t> zero_lines(std::span<const std::int16_t> scales) {
  std::vector<std::size_t> lines;
  for (std::size_t i = 0; i < scales.size(); ++i) {
    if (scales[i] == kZeroLine) lines.push_back(i);
  }
  return lines;
}

Scales estimate_scales(std::span<const float> values, std::span<const float> predictions,
                       std::size_t columns, bool with_columns) {
  const RowKernels& kernels = row_kernels();
  const std::size_t rows = values.size() / columns;
  Scales scales{std::vector<std::int16_t>(rows, kZeroLine), std::vector<std::int16_t>(columns)};
  const std::vector<float> zeros(predictions.empty() ? columns : 0);
  std::vector<std::uint32_t> sizes(columns), counts(columns), column_bits(columns);
  std::vector<std::int32_t> excess(columns);
  for (std::size_t i = 0; i < rows; ++i) {
    const float* from = predictions.empty() ? zeros.data() : predictions.data() + i * columns;
    const RowSizes row =
        kernels.sizes(values.data() + i * columns, from, columns, sizes.data(), column_bits.data());
    if (row.bits == 0) continue;
    scales.rows[i] = 0;
    if (row.count == 0) continue;
    const std::uint32_t mean = row.sum / row.count;
    scales.rows[i] = scale_of(mean);
    if (with_columns) {
      kernels.add_excess(sizes.data(), mean, columns, excess.data(), counts.data());
    }
  }
  if (!with_columns) return scales;
  for (std::size_t j = 0; j < columns; ++j) {
    if (column_bits[j] == 0) scales.columns[j] = kZeroLine;
    if (counts[j] == 0) continue;
    const double mean = static_cast<double>(excess[j]) / counts[j];
    scales.columns[j] = static_cast<std::int16_t>(
        std::clamp(std::lround(mean / kUnitsPerStep), -1L * kMaxScale, 1L * kMaxScale));
  }
  return scales;
}

}  // namespace lmgc::predict
