#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

/// Doubles with the same bits everywhere: powers of two, roundings and sizes without libm.
namespace lmgc::predict::wide {

/// Exponent of a size of zero: that of float's smallest step.
inline constexpr int kLowestExponent = -149;

/// 2^exponent; exponents beyond a double's normal range are cut off.
[[nodiscard]] inline double power_of_two(int exponent) {
  const int biased = std::clamp(exponent, -1022, 1023) + 1023;
  return std::bit_cast<double>(static_cast<std::uint64_t>(biased) << 52);
}

/// Largest e with 2^e <= value. Requires a positive, normal value.
[[nodiscard]] inline int floor_log2(double value) {
  return static_cast<int>(std::bit_cast<std::uint64_t>(value) >> 52) - 1023;
}

/// e with sqrt(mean_square) in [2^(e - 1/2), 2^(e + 1/2)), at least kLowestExponent.
[[nodiscard]] inline int exponent_of(double mean_square) {
  if (!(mean_square >= 0x1p-298)) return kLowestExponent;
  return (floor_log2(std::min(mean_square, 0x1p1000)) + 1) >> 1;
}

/// log2(value) in 1/65536, linear between powers of two; for comparing sizes only. 0 counts as
/// 2^-1000.
[[nodiscard]] inline std::int64_t log2_q16(double value) {
  const auto bits = std::bit_cast<std::int64_t>(std::clamp(value, 0x1p-1000, 0x1p1000));
  return (bits >> 36) - (std::int64_t{1023} << 16);
}

/// Nearest integer, ties to even. Requires |value| < 2^51. (Compilers must not fold the sums:
/// no -ffast-math.)
[[nodiscard]] inline double rounded(double value) {
  constexpr double kShift = 0x1.8p52;
  return (value + kShift) - kShift;
}

/// Nearest integer within +-limit. NaN gives limit.
[[nodiscard]] inline std::int16_t code_of(double value, double limit) {
  const double below = value < limit ? value : limit;
  return static_cast<std::int16_t>(
      static_cast<std::int32_t>(rounded(below > -limit ? below : -limit)));
}

/// NaN and infinities count as 0.
[[nodiscard]] inline float finite_or_zero(float value) {
  return (std::bit_cast<std::uint32_t>(value) & 0x7F800000u) == 0x7F800000u ? 0.0f : value;
}

}  // namespace lmgc::predict::wide
