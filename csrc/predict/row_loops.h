#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "predict/grid.h"
#include "predict/model.h"
#include "predict/row_kernels.h"
#include "predict/scales.h"

/// The loops of RowKernels, without branches, for compilers to vectorize: grid.h's formulas once
/// more, for floats that are no denormals, of at most 32 raw bits. `static`, since each file
/// compiles these for its own instruction set.
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

/// log2 of 0 < x < 2^31; something for others. (Without the bit below the highest, conversion
/// cannot round to the next power of two.)
static inline std::int32_t log2_of_small(std::int32_t x) {
  return static_cast<std::int32_t>(word_of(static_cast<float>(x & ~(x >> 1))) >> 23) - 127;
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

/// place_of; kZeroContext in a column of zeros.
static inline Place place_in_row(float prediction, std::int32_t row_scale,
                                 std::int32_t column_scale, const FloatGrid& grid) {
  const std::int32_t scale = row_scale + column_scale;
  const std::int32_t wanted =
      at_most(at_least((scale >> 2) - kGridBits, kLowestStep), kHighestStep);
  const std::int32_t exponent = static_cast<std::int32_t>(word_of(prediction) >> 23 & 255) - 127;
  const std::int32_t step = at_least(at_least(wanted, exponent - grid.mantissa_bits), grid.lowest);
  const float quarter = prediction * two_to(2 - step);
  const auto cut = static_cast<std::int32_t>(quarter);
  const std::int32_t quarters = cut - (static_cast<float>(cut) > quarter ? 1 : 0);
  const std::int32_t excess = at_most(step - wanted, kMaxExcess);
  const std::int32_t context =
      (excess * kScaleSteps + (scale & (kScaleSteps - 1))) * kPlaces + (quarters & 3);
  return {step, quarters >> 2, column_scale == kZeroLine ? kZeroContext : context};
}

/// Values whose 32-bit results wait for narrower ones to be packed: loops over one width vectorize
/// best.
inline constexpr std::size_t kPart = 128;

/// One of RowCodes: its cell, and its count from bit 24 on, in one word.
struct PackedCode {
  std::uint32_t word, bits;
};

static inline PackedCode code_in_row(std::uint32_t word, const Place& place,
                                     const FloatGrid& grid) {
  const std::uint32_t magnitude = word & 0x7fffffff;
  const float cells = float_of(magnitude) * two_to(-place.step);
  const std::int32_t far = cells < kMaxCells ? 0 : 1;
  const auto cell = static_cast<std::int32_t>(far != 0 ? 0.0F : cells);
  const std::int32_t sign = static_cast<std::int32_t>(word) >> 31;
  const std::int32_t distance = (cell ^ sign) - place.center;

  const std::int32_t size = distance < 0 ? -distance : distance;
  const std::int32_t octave = log2_of_small(size);
  const std::int32_t half = size >> ((octave - 1) & 31) & 1;
  const std::int32_t bucket = kFirstBucket + 2 * (2 * octave + half - 11) + (distance < 0 ? 1 : 0);
  const bool linear = size <= kLinear;
  const std::int32_t symbol = linear ? distance + kLinear : bucket;
  const std::int32_t rest_count = linear ? 0 : octave - 1;
  const std::uint32_t rest = static_cast<std::uint32_t>(size) & low_bits(rest_count);

  const auto field = static_cast<std::int32_t>(magnitude >> 23);
  const std::int32_t lowest_exponent = field - 127 - grid.mantissa_bits;
  const std::uint32_t mantissa = (magnitude & 0x7fffff) >> (23 - grid.mantissa_bits);
  const std::int32_t inside = at_least(place.step - lowest_exponent, 0);
  const std::int32_t down = place.step - 1 - (field - 127);
  const bool at_zero = cell == 0;
  const std::uint32_t place_bits =
      at_zero ? (mantissa << 1 | 1) << (down & 31)
              : (mantissa | std::uint32_t{1} << grid.mantissa_bits) & low_bits(inside);
  const std::int32_t place_count = at_zero ? down + 1 + grid.mantissa_bits : inside;
  const std::int32_t count = rest_count + place_count;

  const std::int32_t rooms =  // negative if one is exceeded
      (field - 1) | (32 - count) | (lowest_exponent - grid.lowest) | -far |
      (at_zero ? kMaxDown - down : 0);
  const std::int32_t code = (rooms < 0 ? kRare : count) << 24 | symbol;
  const bool zero = word == 0;
  return {static_cast<std::uint32_t>((zero ? kZeroSymbol : code) | place.context << 8),
          zero ? 0 : place_bits << (rest_count & 31) | rest};
}

static inline std::size_t code_values_of_row(const float* __restrict values,
                                             const float* __restrict predictions,
                                             const RowGrid& row, std::size_t count,
                                             const RowCodes& codes) {
  const FloatGrid grid = row.grid;
  const std::int32_t row_scale = row.row_scale;
  std::uint32_t rare = 0;
  for (std::size_t start = 0; start < count; start += kPart) {
    const std::size_t part = count - start < kPart ? count - start : kPart;
    const std::int32_t* __restrict scales = row.column_scales + start;
    std::uint16_t* __restrict cells = codes.cells + start;
    std::uint8_t* __restrict counts = codes.counts + start;
    std::uint32_t* __restrict bits = codes.bits + start;
    std::uint32_t packed[kPart];
    for (std::size_t j = 0; j < part; ++j) {
      const Place place = place_in_row(predictions[start + j], row_scale, scales[j], grid);
      const PackedCode code = code_in_row(word_of(values[start + j]), place, grid);
      packed[j] = code.word;
      bits[j] = code.bits;
      rare += code.word >> 24 == kRare ? 1 : 0;
    }
    for (std::size_t j = 0; j < part; ++j) {
      cells[j] = static_cast<std::uint16_t>(packed[j]);
      counts[j] = static_cast<std::uint8_t>(packed[j] >> 24);
    }
  }
  return rare;
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
    const Place place = place_in_row(predictions[j], row_scale, scales[j], grid);
    contexts[j] = static_cast<std::uint16_t>(place.context);
    centers[j] = place.center;
    steps[j] = place.step;
  }
}

static inline void words_of_row(const std::uint8_t* __restrict symbols, const RowPlaces& places,
                                const FloatGrid& row_grid, std::size_t count,
                                const RowWords& words) {
  const FloatGrid grid = row_grid;
  const std::uint32_t kept = ~low_bits(23 - grid.mantissa_bits);
  const std::int32_t least_exponent = at_least(grid.lowest + grid.mantissa_bits, -126);
  for (std::size_t start = 0; start < count; start += kPart) {
    const std::size_t part = count - start < kPart ? count - start : kPart;
    const std::int32_t* __restrict centers = places.centers + start;
    const std::int32_t* __restrict steps = places.steps + start;
    std::uint32_t* __restrict all_words = words.words + start;
    std::uint8_t* __restrict counts = words.counts + start;
    std::int32_t wide[kPart];
    for (std::size_t j = 0; j < part; ++j) wide[j] = symbols[start + j];
    for (std::size_t j = 0; j < part; ++j) {
      const std::int32_t symbol = wide[j];
      const std::int32_t step = steps[j];
      const std::int32_t at = centers[j] + symbol - kLinear;
      const std::int32_t sign = at >> 31;
      const std::int32_t cell = at ^ sign;
      const bool at_zero = cell == 0;
      const std::int32_t log = log2_of_small(cell);
      const std::int32_t octave = at_zero ? -1 : log;
      const std::int32_t exponent = step + octave;
      const std::int32_t inside = at_least(grid.mantissa_bits - octave, 0);
      const std::uint32_t mantissa =
          static_cast<std::uint32_t>(cell) << ((23 - octave) & 31) & 0x7fffff & kept;
      const std::uint32_t word = (static_cast<std::uint32_t>(sign) & 0x80000000) |
                                 static_cast<std::uint32_t>(exponent + 127) << 23 | mantissa;
      // In the cell at zero, the octaves below must be such too.
      const std::int32_t least = at_zero ? least_exponent + kMaxDown : least_exponent;
      const std::int32_t rooms =  // negative if one is exceeded
          (kFirstBucket - 1 - symbol) | (23 - octave) | (127 - exponent) | (exponent - least);
      const bool zero = symbol == kZeroSymbol;
      all_words[j] = zero ? 0 : word;
      const std::int32_t plain = at_zero ? kUnary : inside;
      const std::int32_t kind = rooms < 0 ? kRare : plain;
      wide[j] = zero ? 0 : kind;
    }
    for (std::size_t j = 0; j < part; ++j) counts[j] = static_cast<std::uint8_t>(wide[j]);
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

static inline void add_excess_of_row(const std::uint32_t* sizes, std::uint32_t mean,
                                     std::size_t count, std::int32_t* excess,
                                     std::uint32_t* counts) {
  for (std::size_t j = 0; j < count; ++j) {
    const bool none = sizes[j] == 0;
    excess[j] += none ? 0 : static_cast<std::int32_t>(sizes[j] - mean);
    counts[j] += none ? 0 : 1;
  }
}

}  // namespace lmgc::predict
