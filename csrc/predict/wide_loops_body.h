#pragma once

// The loops of wide_loops.h, for one translation unit per instruction set: all in its unnamed
// namespace, so that no linker takes one's code for another.

#include <cstddef>
#include <cstdint>

#include "predict/wide_loops.h"

namespace lmgc::predict {
namespace {

/// Two vectors of each row at a time, so that all sums stay in AVX2's registers.
void subtract_rows(const float* scales, std::size_t stride, const float* rows, std::size_t count,
                   float* group) {
  static_assert(kRowGroup == 4);
  typedef float Vector __attribute__((vector_size(32), aligned(4), may_alias));
  constexpr std::size_t kLanes = 8;
  for (std::size_t begin = 0; begin < kStrip; begin += 2 * kLanes) {
    Vector* a = reinterpret_cast<Vector*>(group + begin);
    Vector* b = reinterpret_cast<Vector*>(group + begin + kStrip);
    Vector* c = reinterpret_cast<Vector*>(group + begin + 2 * kStrip);
    Vector* d = reinterpret_cast<Vector*>(group + begin + 3 * kStrip);
    Vector a0 = a[0], a1 = a[1], b0 = b[0], b1 = b[1], c0 = c[0], c1 = c[1], d0 = d[0], d1 = d[1];
    for (std::size_t k = 0; k < count; ++k) {
      const Vector* row = reinterpret_cast<const Vector*>(rows + k * kStrip + begin);
      const Vector row0 = row[0], row1 = row[1];
      const float* scale = scales + k;
      a0 -= scale[0] * row0;
      a1 -= scale[0] * row1;
      b0 -= scale[stride] * row0;
      b1 -= scale[stride] * row1;
      c0 -= scale[2 * stride] * row0;
      c1 -= scale[2 * stride] * row1;
      d0 -= scale[3 * stride] * row0;
      d1 -= scale[3 * stride] * row1;
    }
    a[0] = a0, a[1] = a1, b[0] = b0, b[1] = b1, c[0] = c0, c[1] = c1, d[0] = d0, d[1] = d1;
  }
}

void subtract(float scale, const float* __restrict other, std::size_t count,
              float* __restrict row) {
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
