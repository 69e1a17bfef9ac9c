#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "predict/grid.h"
#include "predict/model.h"
#include "predict/row_kernels.h"
#include "predict/rows_above_loops.h"
#include "predict/scales.h"

/// The loops of RowKernels, without branches, for compilers to vectorize: grid.h's formulas once
/// more, for small distances and floats that are no denormals, of at most 32 raw bits. `static`,
/// since each file compiles these for its own instruction set.
namespace lmgc::predict {

static inline std::int32_t at_least(std::int32_t x, std::int32_t least) {
  return x > least ? x : least;
}
static inline std::int32_t at_most(std::int32_t x, std::int32_t most) {
  return x < most ? x : most;
}
static inline std::uint32_t word_of(float x) { return std::bit_cast<std::uint32_t>(x); }
static inline float float_of(std::uint32_t word) { return std::bit_cast<float>(word); }
static inline float two_to(std::int32_t exponent) {
  return float_of(static_cast<std::uint32_t>(exponent + 127) << 23);
}
static inline std::uint32_t low_bits(std::int32_t count) {
  return (std::uint32_t{1} << (count & 31)) - 1;
}

/// Nearest integer within +-kMaxCode, halves to even; NaN becomes kMaxCode.
static inline std::int32_t code_of(float x) {
  constexpr float kMost = kMaxCode;
  constexpr float kShift = 0x1.8p23F;
  const float upper = x < kMost ? x : kMost;
  const float within = upper > -kMost ? upper : -kMost;
  return static_cast<std::int32_t>(word_of(within + kShift) - word_of(kShift));
}

static inline void codes_of_row(const float* values, const float* column_units, float row_unit,
                                std::size_t count, std::int16_t* codes) {
  for (std::size_t j = 0; j < count; ++j) {
    codes[j] = static_cast<std::int16_t>(code_of(values[j] * column_units[j] * row_unit));
  }
}

static inline void remainder_codes_of_row(const float* values, const float* first,
                                          const float* column_units, float row_unit, bool second,
                                          std::size_t count, std::int16_t* pairs) {
  const int shift = second ? 16 : 0;
  const std::uint32_t mask = std::uint32_t{0xffff} << shift;
  for (std::size_t j = 0; j < count; ++j) {
    const std::int32_t code = code_of((values[j] - first[j]) * column_units[j] * row_unit);
    std::uint32_t pair;
    std::memcpy(&pair, pairs + 2 * j, sizeof pair);
    pair = (pair & ~mask) | (static_cast<std::uint32_t>(code) << shift & mask);
    std::memcpy(pairs + 2 * j, &pair, sizeof pair);
  }
}

static inline void predictions_of_row(const std::int32_t* sums, const float* column_units,
                                      float row_unit, std::size_t count, float* predictions) {
  for (std::size_t j = 0; j < count; ++j) {
    predictions[j] = static_cast<float>(sums[j]) * column_units[j] * row_unit;
  }
}

static inline void add_predictions_of_row(const std::int32_t* sums, const float* column_units,
                                          float row_unit, const float* first, std::size_t count,
                                          float* predictions) {
  for (std::size_t j = 0; j < count; ++j) {
    predictions[j] = first[j] + static_cast<float>(sums[j]) * column_units[j] * row_unit;
  }
}

static inline std::int32_t dot_of_rows(const std::int16_t* codes, const std::int8_t* weights,
                                       std::size_t count) {
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < count; ++k) sum += codes[k] * weights[k];
  return sum;
}

/// place_of.
static inline Place place_in_row(float prediction, std::int32_t scale, const FloatGrid& grid) {
  const std::int32_t wanted =
      at_most(at_least((scale >> 2) - kGridBits, kLowestStep), kHighestStep);
  const auto field = static_cast<std::int32_t>(word_of(prediction) >> 23 & 255);
  const std::int32_t step =
      at_least(at_least(wanted, field - (127 + grid.mantissa_bits)), grid.lowest);
  const auto quarters = static_cast<std::int32_t>(std::floor(prediction * two_to(2 - step)));
  const std::int32_t excess = at_most(step - wanted, kMaxExcess);
  const std::int32_t context =
      (excess * kScaleSteps + (scale & (kScaleSteps - 1))) * kPlaces + (quarters & 3);
  return {step, quarters >> 2, context};
}

/// Values whose 32-bit results wait for narrower ones to be packed: loops over one width vectorize
/// best.
inline constexpr std::size_t kPart = 128;

/// One of RowCodes: its cell, and its count from bit 24 on, in one word.
struct PackedCode {
  std::uint32_t word, bits;
};

/// code_value.
static inline PackedCode code_in_row(std::uint32_t word, const Place& place,
                                     const FloatGrid& grid) {
  const std::uint32_t magnitude = word & 0x7fffffff;
  const float cells = float_of(magnitude) * two_to(-place.step);
  const auto cell = static_cast<std::int32_t>(cells < kMaxCells ? cells : kMaxCells);
  const std::int32_t sign = static_cast<std::int32_t>(word) >> 31;
  const std::int32_t symbol = (cell ^ sign) - place.center + kLinear;

  // In the cell at zero, the octaves below the step and a one take the place of bits above `down`.
  const auto field = static_cast<std::int32_t>(magnitude >> 23);
  const std::uint32_t mantissa = (magnitude & 0x7fffff) >> (23 - grid.mantissa_bits);
  const std::int32_t inside = place.step - (field - (127 + grid.mantissa_bits));
  const std::int32_t count = at_least(inside, 0);
  const std::int32_t down = inside - (1 + grid.mantissa_bits);
  const std::uint32_t bits_at_zero = (mantissa << 1 | 1) << (down & 31);
  const std::uint32_t bits_inside =
      (mantissa | std::uint32_t{1} << grid.mantissa_bits) & low_bits(count);
  const std::uint32_t bits = cell == 0 ? bits_at_zero : bits_inside;

  const std::int32_t least_field = at_least(grid.lowest + grid.mantissa_bits + 127, 1);
  const std::int32_t most = at_most(kMaxDown + 1 + grid.mantissa_bits, 32);
  const std::int32_t rooms =  // negative if one is exceeded
      symbol | (2 * kLinear - symbol) | (most - count) | (field - least_field);
  const std::int32_t code = (rooms < 0 ? kRare : count) << 24 | (symbol & 255);
  const bool zero = word == 0;
  return {static_cast<std::uint32_t>((zero ? kZeroSymbol : code) | place.context << 8),
          zero ? 0 : bits};
}

static inline void code_values_of_row(const float* __restrict values,
                                      const float* __restrict predictions, const RowGrid& row,
                                      std::size_t count, const RowCodes& codes) {
  const FloatGrid grid = row.grid;
  const std::int32_t row_scale = row.row_scale;
  for (std::size_t start = 0; start < count; start += kPart) {
    const std::size_t part = count - start < kPart ? count - start : kPart;
    const std::int32_t* __restrict scales = row.column_scales + start;
    std::uint16_t* __restrict cells = codes.cells + start;
    std::uint8_t* __restrict counts = codes.counts + start;
    std::uint32_t* __restrict bits = codes.bits + start;
    std::uint32_t packed[kPart];
    for (std::size_t j = 0; j < part; ++j) {
      const Place place = place_in_row(predictions[start + j], row_scale + scales[j], grid);
      const PackedCode code = code_in_row(word_of(values[start + j]), place, grid);
      packed[j] = code.word;
      bits[j] = code.bits;
    }
    for (std::size_t j = 0; j < part; ++j) {
      cells[j] = static_cast<std::uint16_t>(packed[j]);
      counts[j] = static_cast<std::uint8_t>(packed[j] >> 24);
    }
  }
}

static inline void places_of_row(const float* __restrict predictions, const RowGrid& row,
                                 std::size_t count, const RowPlaces& places) {
  const FloatGrid grid = row.grid;
  const std::int32_t row_scale = row.row_scale;
  const std::int32_t* __restrict scales = row.column_scales;
  std::uint16_t* __restrict contexts = places.contexts;
  std::int32_t* __restrict centers = places.centers;
  std::int32_t* __restrict steps = places.steps;
  for (std::size_t j = 0; j < count; ++j) {
    const Place place = place_in_row(predictions[j], row_scale + scales[j], grid);
    contexts[j] = static_cast<std::uint16_t>(place.context);
    centers[j] = place.center;
    steps[j] = place.step;
  }
}

static inline void values_without_raw_bits(const std::uint8_t* __restrict symbols,
                                           const RowPlaces& places, const FloatGrid& row_grid,
                                           std::size_t count, const RowValues& row) {
  const FloatGrid grid = row_grid;
  const std::uint32_t kept = ~low_bits(23 - grid.mantissa_bits);
  const std::int32_t least_field = at_least(grid.lowest + grid.mantissa_bits + 127, 1);
  for (std::size_t start = 0; start < count; start += kPart) {
    const std::size_t part = count - start < kPart ? count - start : kPart;
    const std::int32_t* __restrict centers = places.centers + start;
    const std::int32_t* __restrict steps = places.steps + start;
    float* __restrict values = row.values + start;
    std::uint8_t* __restrict counts = row.counts + start;
    std::int32_t wide[kPart];
    for (std::size_t j = 0; j < part; ++j) wide[j] = symbols[start + j];
    for (std::size_t j = 0; j < part; ++j) {
      const std::int32_t symbol = wide[j];
      const std::int32_t at = centers[j] + symbol - kLinear;
      const std::int32_t sign = at >> 31;
      const std::int32_t cell = at ^ sign;
      const bool at_zero = cell == 0;
      const std::uint32_t converted = word_of(static_cast<float>(cell));  // exact below 2^24
      const std::uint32_t unscaled = at_zero ? word_of(0.5F) : converted & kept;
      const auto octave = static_cast<std::int32_t>(unscaled >> 23);
      const std::int32_t inside = at_least(grid.mantissa_bits + 127 - octave, 0);
      const std::uint32_t word = (static_cast<std::uint32_t>(sign) & 0x80000000) |
                                 (unscaled + (static_cast<std::uint32_t>(steps[j]) << 23));
      // In the cell at zero, the octaves below must be such too.
      const std::int32_t field = octave + steps[j];
      const std::int32_t lowest_field = field - (at_zero ? kMaxDown : 0);
      const std::int32_t rooms =  // negative if one is exceeded
          (kFirstBucket - 1 - symbol) | (0xffffff - cell) | (254 - field) |
          (lowest_field - least_field);
      const bool zero = symbol == kZeroSymbol;
      const std::int32_t plain = at_zero ? kUnary : inside;
      const std::int32_t kind = rooms < 0 ? kRare : plain;
      values[j] = float_of(zero ? 0 : word);
      wide[j] = zero ? 0 : kind;
    }
    for (std::size_t j = 0; j < part; ++j) counts[j] = static_cast<std::uint8_t>(wide[j]);
  }
}

static inline void add_raw_bits_to_row(const std::uint32_t* __restrict bits, int shift,
                                       std::size_t count, const RowValues& row) {
  float* __restrict values = row.values;
  const std::uint8_t* __restrict counts = row.counts;
  for (std::size_t j = 0; j < count; ++j) {
    values[j] = float_of(word_of(values[j]) | (bits[j] & low_bits(counts[j])) << shift);
  }
}

// Sums of floats in an order of their own: the same on every instruction set.
static inline float sum_of_squares_of_row(const float* values, const float* first,
                                          const float* column_units, float row_unit,
                                          std::size_t count) {
  constexpr std::size_t kSums = 16;
  constexpr float kMost = 0x1p100F;
  float sums[kSums] = {};
  std::size_t j = 0;
  for (; j + kSums <= count; j += kSums) {
    for (std::size_t k = 0; k < kSums; ++k) {
      const float unit = (values[j + k] - first[j + k]) * column_units[j + k] * row_unit;
      const float square = unit * unit;
      sums[k] += square < kMost ? square : 0.0F;
    }
  }
  for (std::size_t k = 0; j + k < count; ++k) {
    const float unit = (values[j + k] - first[j + k]) * column_units[j + k] * row_unit;
    const float square = unit * unit;
    sums[k] += square < kMost ? square : 0.0F;
  }
  float sum = 0;
  for (const float part : sums) sum += part;
  return sum;
}

static inline RowSizes sizes_of_row(const float* values, const float* predictions,
                                    std::size_t count, std::uint32_t* sizes,
                                    std::uint32_t* column_bits) {
  constexpr std::int32_t kUlp = 24 << (23 - kDroppedSizeBits);
  constexpr std::int32_t kInfinite = 255 << (23 - kDroppedSizeBits);
  std::uint32_t sum = 0, nonzero = 0, any = 0;
  for (std::size_t j = 0; j < count; ++j) {
    const std::uint32_t word = word_of(values[j]);
    const auto own = static_cast<std::int32_t>((word & 0x7fffffff) >> kDroppedSizeBits);
    const auto size = static_cast<std::int32_t>(
        (word_of(values[j] - predictions[j]) & 0x7fffffff) >> kDroppedSizeBits);
    const std::int32_t bounded = at_least(at_least(size, own - kUlp), 1);
    const bool none = own == 0 || own >= kInfinite;
    sizes[j] = none ? 0 : static_cast<std::uint32_t>(bounded);
    sum += sizes[j];
    nonzero += none ? 0 : 1;
    any |= word;
    column_bits[j] |= word;
  }
  return {sum, nonzero, any};
}

static inline void add_excess_of_row(const std::uint32_t* __restrict sizes, std::uint32_t mean,
                                     std::size_t count, std::int32_t* __restrict excess,
                                     std::uint32_t* __restrict counts) {
  for (std::size_t j = 0; j < count; ++j) {
    const std::int32_t some = sizes[j] != 0 ? -1 : 0;
    excess[j] += static_cast<std::int32_t>(sizes[j] - mean) & some;
    counts[j] -= static_cast<std::uint32_t>(some);
  }
}

static constexpr RowKernels row_kernels_of(std::string_view name, bool (*supported)()) {
  return {.name = name,
          .supported = supported,
          .codes = codes_of_row,
          .remainder_codes = remainder_codes_of_row,
          .predictions = predictions_of_row,
          .add_predictions = add_predictions_of_row,
          .dot = dot_of_rows,
          .keep_small = keep_small_of_row,
          .weighted_sum = weighted_sum_of_rows,
          .code_values = code_values_of_row,
          .places = places_of_row,
          .without_raw_bits = values_without_raw_bits,
          .add_raw_bits = add_raw_bits_to_row,
          .sum_of_squares = sum_of_squares_of_row,
          .sizes = sizes_of_row,
          .add_excess = add_excess_of_row};
}

}  // namespace lmgc::predict
