#pragma once

// The loops of wide_loops.h, for one translation unit per instruction set: all in its unnamed
// namespace, so that no linker takes one's code for another.

#include <cstddef>
#include <cstdint>

#include "predict/wide_loops.h"

namespace lmgc::predict {
namespace {

void subtract_rows(const double* __restrict scales, const double* __restrict rows,
                   std::size_t count, double* __restrict row) {
  double sums[kStrip];
  for (std::size_t s = 0; s < kStrip; ++s) sums[s] = row[s];
  for (std::size_t k = 0; k < count; ++k) {
    for (std::size_t s = 0; s < kStrip; ++s) sums[s] -= scales[k] * rows[k * kStrip + s];
  }
  for (std::size_t s = 0; s < kStrip; ++s) row[s] = sums[s];
}

void subtract(double scale, const double* __restrict other, std::size_t count,
              double* __restrict row) {
  for (std::size_t j = 0; j < count; ++j) row[j] -= scale * other[j];
}

void add_squares(const float* __restrict x, double scale, std::size_t count,
                 double* __restrict sums) {
  for (std::size_t j = 0; j < count; ++j) {
    const double value = x[j] * scale;
    sums[j] += value * value;
  }
}

double sum_of_squares(const float* x, const double* scales, std::size_t count) {
  constexpr std::size_t kLanes = 8;
  double sums[kLanes] = {};
  std::size_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const double value = x[j + lane] * scales[j + lane];
      sums[lane] += value * value;
    }
  }
  for (std::size_t lane = 0; j < count; ++j, ++lane) {
    const double value = x[j] * scales[j];
    sums[lane] += value * value;
  }
  double sum = 0;
  for (const double lane : sums) sum += lane;
  return sum;
}

void codes(const float* __restrict x, const double* __restrict scales, double factor, double limit,
           std::size_t count, std::int16_t* __restrict codes) {
  constexpr double kShift = 0x1.8p52;  // adding it rounds
  for (std::size_t j = 0; j < count; ++j) {
    const double value = x[j] * scales[j] * factor;
    const double below = value < limit ? value : limit;
    const double within = below > -limit ? below : -limit;
    codes[j] = static_cast<std::int16_t>(static_cast<std::int32_t>((within + kShift) - kShift));
  }
}

void remainder(const float* __restrict x, const std::int32_t* __restrict sums,
               const double* __restrict scales, double unit, std::size_t count,
               float* __restrict left) {
  constexpr double kMost = 0x1.fffffep127;
  for (std::size_t j = 0; j < count; ++j) {
    const double value = x[j] - sums[j] * scales[j] * unit;
    left[j] = static_cast<float>(value <= kMost && value >= -kMost ? value : 0.0);
  }
}

constexpr WideLoops wide_loops_of(std::string_view name, bool (*supported)()) {
  return {.name = name,
          .supported = supported,
          .subtract_rows = subtract_rows,
          .subtract = subtract,
          .add_squares = add_squares,
          .sum_of_squares = sum_of_squares,
          .codes = codes,
          .remainder = remainder};
}

}  // namespace
}  // namespace lmgc::predict
