#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "host_device.h"

/// The grid: where a float lies relative to its prediction, as a small symbol and raw bits.
///
/// A value's range is divided into cells of width 2^step, a quarter of its scale or the
/// prediction's ulp if that is larger. The symbol is the distance of the value's cell from the
/// prediction's; the place inside the cell is raw bits, exactly as many as the cell has floats, for
/// no cell but the one at zero crosses an exponent. At zero the octave follows in unary.
namespace lmgc::predict {

/// Steps a scale, log2: a cell is at most a quarter of the scale that scales are multiples of.
inline constexpr int kGridBits = 2;
/// Scales are counted in quarter octaves: q stands for 2^(q / 4).
inline constexpr int kScaleSteps = 4;
/// Places of the prediction inside its cell that have tables of their own.
inline constexpr int kPlaces = 4;
/// How far the prediction's ulp may lie above the scale's step, in octaves, to be told apart.
inline constexpr int kMaxExcess = 3;
inline constexpr int kContexts = (kMaxExcess + 1) * kScaleSteps * kPlaces;
/// Of values in rows or columns that are zero throughout: they cost nothing.
inline constexpr int kZeroContext = kContexts;

inline constexpr int kLowestStep = -120;
inline constexpr int kHighestStep = 103;
/// Values of more cells than this escape.
inline constexpr float kMaxCells = 67108864.0F;  // 2^26

/// Symbols: distances up to +-kLinear; then two for each octave and sign; then +0.0 and escapes.
inline constexpr int kLinear = 47;
inline constexpr int kBuckets = 45;
inline constexpr int kFirstBucket = 2 * kLinear + 1;
inline constexpr int kZeroSymbol = kFirstBucket + 2 * kBuckets;
inline constexpr int kEscape = kZeroSymbol + 1;
inline constexpr int kAlphabet = kEscape + 1;
/// Values further below the step than this many octaves escape.
inline constexpr int kMaxDown = 23;
/// Values that would take more raw bits escape.
inline constexpr int kMaxRawBits = 56;

/// What all floats of a tile have in common: multiples of 2^max(exponent - mantissa_bits, lowest).
struct FloatGrid {
  int mantissa_bits;  ///< 0 to 23
  int lowest;         ///< log2 of the smallest step
};

/// 2^exponent for -126 <= exponent <= 127.
[[nodiscard]] LMGC_HOST_DEVICE constexpr float power_of_two(int exponent) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(exponent + 127) << 23);
}

[[nodiscard]] LMGC_HOST_DEVICE constexpr int log2_of(std::uint32_t positive) {
  return 31 - std::countl_zero(positive);
}

/// Largest integer <= x. Requires |x| < 2^31.
[[nodiscard]] LMGC_HOST_DEVICE constexpr std::int32_t floor_of(float x) {
  const auto cut = static_cast<std::int32_t>(x);
  return cut - (static_cast<float>(cut) > x ? 1 : 0);
}

/// The prediction on the grid.
struct Place {
  int step;             ///< log2 of the cells' width
  std::int32_t center;  ///< the prediction's cell
  int context;
};

/// `scale`: in quarter octaves. Requires a finite prediction below 2^125.
[[nodiscard]] LMGC_HOST_DEVICE constexpr Place place_of(float prediction, int scale,
                                                        const FloatGrid& grid) {
  const int wanted = std::clamp((scale >> 2) - kGridBits, kLowestStep, kHighestStep);
  const int exponent = static_cast<int>(std::bit_cast<std::uint32_t>(prediction) >> 23 & 255) - 127;
  const int step = std::max({wanted, exponent - grid.mantissa_bits, grid.lowest});
  const std::int32_t quarters = floor_of(prediction * power_of_two(2 - step));
  const int excess = std::min(step - wanted, kMaxExcess);
  return {step, quarters >> 2,
          (excess * kScaleSteps + (scale & (kScaleSteps - 1))) * kPlaces + (quarters & 3)};
}

/// One value's code.
struct Code {
  int symbol;
  int count;           ///< of raw bits, at most kMaxRawBits; an escape's are its dtype's
  std::uint64_t bits;  ///< lowest first
};

/// Symbol of a distance between cells below 2^28, and its raw bits.
[[nodiscard]] LMGC_HOST_DEVICE constexpr Code code_distance(std::int32_t distance) {
  const auto magnitude = static_cast<std::uint32_t>(distance < 0 ? -distance : distance);
  if (magnitude <= static_cast<std::uint32_t>(kLinear)) return {distance + kLinear, 0, 0};
  const int octave = log2_of(magnitude);  // 5 only for 48 and more
  const int half = static_cast<int>(magnitude >> (octave - 1) & 1);
  const int bucket = 2 * octave + half - 11;
  const std::uint32_t rest = magnitude & ((std::uint32_t{1} << (octave - 1)) - 1);
  return {kFirstBucket + 2 * bucket + (distance < 0 ? 1 : 0), octave - 1, rest};
}

/// Raw bits of a distance's symbol below kZeroSymbol.
[[nodiscard]] LMGC_HOST_DEVICE constexpr int distance_bits(int symbol) {
  return symbol < kFirstBucket ? 0 : ((symbol - kFirstBucket) / 2 + 11) / 2 - 1;
}

[[nodiscard]] LMGC_HOST_DEVICE constexpr std::int32_t distance_of(int symbol, std::uint32_t rest) {
  if (symbol < kFirstBucket) return symbol - kLinear;
  const int bucket = (symbol - kFirstBucket) / 2 + 11;
  const int octave = bucket / 2;
  const auto magnitude = static_cast<std::int32_t>(
      (std::uint32_t{2} | static_cast<std::uint32_t>(bucket & 1)) << (octave - 1) | rest);
  return (symbol - kFirstBucket) % 2 != 0 ? -magnitude : magnitude;
}

/// Code of the float with bits `word` at a place. `symbol` may be kEscape for any value.
[[nodiscard]] LMGC_HOST_DEVICE constexpr Code code_value(std::uint32_t word, const Place& place,
                                                         const FloatGrid& grid) {
  constexpr Code kEscaped{kEscape, 0, 0};
  if (word == 0) return {kZeroSymbol, 0, 0};
  const std::uint32_t magnitude = word & 0x7fffffff;
  const float cells = std::bit_cast<float>(magnitude) * power_of_two(-place.step);
  if (!(cells < kMaxCells) || magnitude == 0) return kEscaped;
  const auto cell = static_cast<std::int32_t>(cells);
  Code code = code_distance((word >> 31 != 0 ? ~cell : cell) - place.center);

  const std::uint32_t field = magnitude >> 23;
  const std::uint32_t significand = field != 0 ? (magnitude & 0x7fffff) | 0x800000 : magnitude;
  const int unit = field != 0 ? static_cast<int>(field) - 150 : -149;  // of the significand, log2
  const int exponent = unit + log2_of(significand);
  const int step = std::max(exponent - grid.mantissa_bits, grid.lowest);  // between floats here
  const std::uint32_t multiple = significand >> (step - unit);
  if (cell != 0) {
    const int inside = std::max(place.step - step, 0);
    code.bits |= std::uint64_t{multiple & ((std::uint32_t{1} << inside) - 1)} << code.count;
    code.count += inside;
    return code;
  }
  const int down = place.step - 1 - exponent;
  if (down > kMaxDown) return kEscaped;
  const int mantissa_bits = exponent - step;
  const std::uint32_t mantissa = multiple - (std::uint32_t{1} << mantissa_bits);
  code.bits |= (std::uint64_t{mantissa} << 1 | 1) << down << code.count;
  code.count += down + 1 + mantissa_bits;
  return code.count > kMaxRawBits ? kEscaped : code;
}

/// Float bits of `multiple` * 2^step with its sign; `multiple` has its top bit at 2^exponent.
[[nodiscard]] LMGC_HOST_DEVICE constexpr std::uint32_t float_bits(std::uint32_t sign,
                                                                  std::uint32_t multiple,
                                                                  int exponent, int step) {
  if (exponent < -126) return sign | multiple << (step + 149);
  const auto field = static_cast<std::uint32_t>(exponent + 127) & 255;
  return sign | field << 23 | (multiple << (23 - (exponent - step)) & 0x7fffff);
}

/// Inverse of code_value for symbols below kZeroSymbol. `bits`: the stream from the value's first
/// raw bit on; `count` becomes how many are its own. Any bits give some float.
[[nodiscard]] LMGC_HOST_DEVICE constexpr std::uint32_t value_of(int symbol, std::uint64_t bits,
                                                                const Place& place,
                                                                const FloatGrid& grid, int& count) {
  count = distance_bits(symbol);
  const auto rest = static_cast<std::uint32_t>(bits & ((std::uint64_t{1} << count) - 1));
  const std::int32_t at = place.center + distance_of(symbol, rest);
  bits >>= count;
  const std::uint32_t sign = at < 0 ? 0x80000000 : 0;
  const auto cell = static_cast<std::uint32_t>(at < 0 ? ~at : at);
  if (cell != 0) {
    const int exponent = place.step + log2_of(cell);
    const int step = std::max(exponent - grid.mantissa_bits, grid.lowest);
    if (place.step <= step) return float_bits(sign, cell >> (step - place.step), exponent, step);
    const int inside = place.step - step;
    count += inside;
    const std::uint64_t low = bits & ((std::uint64_t{1} << inside) - 1);
    return float_bits(sign, static_cast<std::uint32_t>(std::uint64_t{cell} << inside | low),
                      exponent, step);
  }
  const int down = std::min(std::countr_zero(bits), kMaxDown);
  const int exponent = std::max(place.step - 1 - down, grid.lowest);
  const int step = std::max(exponent - grid.mantissa_bits, grid.lowest);
  const int mantissa_bits = exponent - step;
  count += down + 1 + mantissa_bits;
  const auto mantissa =
      static_cast<std::uint32_t>(bits >> (down + 1)) & ((std::uint32_t{1} << mantissa_bits) - 1);
  return float_bits(sign, std::uint32_t{1} << mantissa_bits | mantissa, exponent, step);
}

static_assert(kAlphabet <= 256);
static_assert(distance_of(code_distance(-48).symbol, 0) == -48);
static_assert(code_distance((1 << 28) - 1).symbol < kZeroSymbol);

}  // namespace lmgc::predict
