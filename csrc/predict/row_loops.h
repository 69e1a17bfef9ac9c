#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "predict/grid.h"
#include "predict/model.h"

/// Loops over a row's values, elementwise: the same bits however a compiler vectorizes them.
namespace lmgc::predict {

/// Nearest integer within +-kMaxCode, halves to even; NaN becomes kMaxCode.
[[nodiscard]] inline std::int16_t code_of(float x) {
  constexpr float kMost = kMaxCode;
  const float upper = x < kMost ? x : kMost;
  return static_cast<std::int16_t>(std::lrintf(upper > -kMost ? upper : -kMost));
}

/// Codes of values [count] in units of their scales, given by reciprocals.
inline void codes_of_row(const float* values, const float* column_units, float row_unit,
                         std::size_t count, std::int16_t* codes) {
  for (std::size_t j = 0; j < count; ++j) {
    codes[j] = code_of(values[j] * column_units[j] * row_unit);
  }
}

/// The same of what a first prediction leaves, into every second place of `codes`.
inline void remainder_codes_of_row(const float* values, const float* first,
                                   const float* column_units, float row_unit, std::size_t count,
                                   std::int16_t* codes) {
  for (std::size_t j = 0; j < count; ++j) {
    codes[2 * j] = code_of((values[j] - first[j]) * column_units[j] * row_unit);
  }
}

/// Predictions [count] from sums of products of codes and weights.
inline void predictions_of_row(const std::int32_t* sums, const float* column_units, float row_unit,
                               std::size_t count, float* predictions) {
  for (std::size_t j = 0; j < count; ++j) {
    predictions[j] = static_cast<float>(sums[j]) * column_units[j] * row_unit;
  }
}

inline void add_row(const float* more, std::size_t count, float* sums) {
  for (std::size_t j = 0; j < count; ++j) sums[j] += more[j];
}

}  // namespace lmgc::predict
