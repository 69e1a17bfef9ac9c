#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "host_device.h"

#ifdef __FAST_MATH__
#error "lmgc_torch: -ffast-math changes bits (law 2); take it out of the compiler's flags"
#endif

/// The model's arithmetic on single numbers: IEEE +, -, x, / on float and double, and integers.
/// What spans several numbers (maxima, sums) is an integer reduction, so order never matters.
///
/// Everything here is `static`: files compiled for different instruction sets include it, and none
/// may lend its machine code to another through the linker.
namespace lmgc::model {

/// Largest magnitude of an int8 code; -128 is never produced.
inline constexpr std::int32_t kCodeLimit = 127;
/// Attention weights are integers up to this, relative to the largest in their row.
inline constexpr std::int32_t kWeightLimit = 32767;
/// Tokens whose weighted values are summed in int32 before the sum moves to int64.
inline constexpr std::int64_t kWeightBlock = 512;
static_assert(std::int64_t{kWeightLimit} * kCodeLimit * kWeightBlock <= INT32_MAX);
/// Fraction bits of the terms of the softmax's denominator.
inline constexpr int kDenominatorBits = 18;
/// Longest context: its denominator fits an uint32.
inline constexpr std::int64_t kContextLimit = 8192;
static_assert((kContextLimit << kDenominatorBits) <= UINT32_MAX);
/// Largest inner dimension of a matrix product: unsigned codes (0..255) x int8 fit an int32.
inline constexpr std::int64_t kDepthLimit = 65536;
static_assert(kDepthLimit * 255 * 128 <= INT32_MAX);
/// LayerNorm's count * (sum of squared codes of up to kWeightLimit) fits an int64.
static_assert(kDepthLimit * kDepthLimit <= INT64_MAX / (kWeightLimit * kWeightLimit));
/// Rows whose largest magnitude is below this count as zero: keeps denormals out of every code.
inline constexpr float kSmallest = 0x1p-100F;

[[nodiscard]] static inline LMGC_HOST_DEVICE std::int32_t bits_of(float x) {
  return std::bit_cast<std::int32_t>(x);
}

[[nodiscard]] static inline LMGC_HOST_DEVICE float float_of(std::int32_t bits) {
  return std::bit_cast<float>(bits);
}

/// Bits of |x|; they order as |x| does.
[[nodiscard]] static inline LMGC_HOST_DEVICE std::int32_t magnitude_bits(float x) {
  return bits_of(x) & INT32_MAX;
}

/// An integer that orders as x does; its own inverse.
[[nodiscard]] static inline LMGC_HOST_DEVICE std::int32_t order_bits(std::int32_t bits) {
  return bits ^ ((bits >> 31) & INT32_MAX);
}

/// x to the nearest integer, ties to even, by an addition that leaves no room for a fraction.
/// Requires |x| <= 2^22.
[[nodiscard]] static inline LMGC_HOST_DEVICE std::int32_t round_to_int(float x) {
  constexpr float kShift = 0x1.8p23F;
  return bits_of(x + kShift) - std::bit_cast<std::int32_t>(kShift);
}

/// The same for |x| <= 2^31 - 1.
[[nodiscard]] static inline LMGC_HOST_DEVICE std::int32_t round_to_int(double x) {
  constexpr double kShift = 0x1.8p52;
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(
      std::bit_cast<std::uint64_t>(x + kShift) - std::bit_cast<std::uint64_t>(kShift)));
}

/// Codes are round(x * `inverse`), values are code * `scale`.
struct Quantizer {
  float scale, inverse;
};

[[nodiscard]] static inline LMGC_HOST_DEVICE Quantizer quantizer(std::int32_t largest_bits,
                                                                 std::int32_t limit) {
  const float largest = float_of(largest_bits);
  if (!(largest >= kSmallest)) return {0.0F, 0.0F};
  return {largest / static_cast<float>(limit), static_cast<float>(limit) / largest};
}

/// e^x for x <= 0, relative error below 2^-16; stays at 2^-125 from there on.
[[nodiscard]] static inline LMGC_HOST_DEVICE float exp_of_negative(float x) {
  float octaves = x * 0x1.715476p0F;
  octaves = octaves < -125.0F ? -125.0F : octaves;
  constexpr float kShift = 0x1.8p23F;
  const float shifted = octaves + kShift;
  const float f = octaves - (shifted - kShift);  // in [-1/2, 1/2]
  float power = 0x1.3a02b4p-7F;                  // 2^f = 1 + f p(f)
  power = power * f + 0x1.c9fc54p-5F;
  power = power * f + 0x1.ec0378p-3F;
  power = power * f + 0x1.62e12cp-1F;
  power = power * f + 1.0F;
  // Only the low bits of `shifted` count the octaves; those of kShift are zero.
  static_assert((std::bit_cast<std::uint32_t>(kShift) << 23) == 0);
  const auto whole = static_cast<std::uint32_t>(bits_of(shifted)) << 23;
  return float_of(bits_of(power) + static_cast<std::int32_t>(whole));
}

/// x / y of what logistic divides: y = 1 + e, x = 1 or e; `inverse` is 1 / y, off by up to 1 ulp.
/// `fma` rounds to nearest, `fma_upwards` up, which makes the results right, all of them
/// (tests/cuda_on_host/quotient.cpp).
template <typename Fma, typename FmaUpwards>
[[nodiscard]] static inline LMGC_HOST_DEVICE float quotient_by(float inverse, float x, float y,
                                                               const Fma& fma,
                                                               const FmaUpwards& fma_upwards) {
  inverse = fma_upwards(fma(-y, inverse, 1.0F), inverse, inverse);
  const float near = x * inverse;
  return fma(fma(-y, near, x), inverse, near);
}

/// x / y of what logistic divides.
[[nodiscard]] static inline LMGC_HOST_DEVICE float quotient(float x, float y) {
#ifdef __CUDA_ARCH__
  // As CUDA's division does it for most numbers, but without its branch to the others, at which
  // threads would wait.
  float inverse;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(y));
  return quotient_by(
      inverse, x, y, [](float a, float b, float c) { return __fmaf_rn(a, b, c); },
      [](float a, float b, float c) { return __fmaf_ru(a, b, c); });
#else
  return x / y;
#endif
}

/// 1 / (1 + e^-x).
[[nodiscard]] static inline LMGC_HOST_DEVICE float logistic(float x) {
  const float e = exp_of_negative(float_of(bits_of(x) | INT32_MIN));
  const float numerator = x < 0.0F ? e : 1.0F;
  return quotient(numerator, 1.0F + e);
}

[[nodiscard]] static inline LMGC_HOST_DEVICE float silu(float x) { return x * logistic(x); }

/// GELU by tanh: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
[[nodiscard]] static inline LMGC_HOST_DEVICE float gelu(float x) {
  constexpr float kLinear = 0x1.988454p0F;  // sqrt(8 / pi)
  constexpr float kCubic = 0x1.2444f2p-4F;  // 0.044715 of it
  return x * logistic(x * (kLinear + kCubic * (x * x)));
}

/// Value of a sum of products of codes, whose scales belong to its column and row.
[[nodiscard]] static inline LMGC_HOST_DEVICE float value_of(std::int32_t sum, float column_scale,
                                                            float row_scale) {
  return static_cast<float>(sum) * column_scale * row_scale;
}

/// The same as a score: round(value * 2^16), within +-2^30.
[[nodiscard]] static inline LMGC_HOST_DEVICE std::int32_t score_of(std::int32_t sum,
                                                                   float column_scale,
                                                                   float row_scale) {
  double value = static_cast<double>(sum) *
                 (static_cast<double>(column_scale) * static_cast<double>(row_scale)) * 0x1p16;
  value = value > 0x1p30 ? 0x1p30 : value;
  value = value < -0x1p30 ? -0x1p30 : value;
  return round_to_int(value);
}

/// 1 / RMS of `count` numbers, whose codes of `unit` have this sum of squares.
[[nodiscard]] static inline LMGC_HOST_DEVICE float norm_factor(std::int64_t squares,
                                                               std::int64_t count, float unit,
                                                               double epsilon) {
  const double scale = static_cast<double>(unit);
  const double mean = static_cast<double>(squares) / static_cast<double>(count) * scale * scale;
  return static_cast<float>(1.0 / std::sqrt(mean + epsilon));
}

/// LayerNorm is (x - mean) * factor * gain + bias.
struct LayerNormTerms {
  float mean, factor;
};

/// Of `count` numbers, whose codes of `unit` have these sums. count * squares - sum^2 is exact.
[[nodiscard]] static inline LMGC_HOST_DEVICE LayerNormTerms layer_norm_terms(
    std::int64_t sum, std::int64_t squares, std::int64_t count, float unit, double epsilon) {
  const double scale = static_cast<double>(unit);
  const double size = static_cast<double>(count);
  const double spread = static_cast<double>(count * squares - sum * sum) / (size * size);
  return {static_cast<float>(static_cast<double>(sum) / size * scale),
          static_cast<float>(1.0 / std::sqrt(spread * scale * scale + epsilon))};
}

/// A weight's share of the softmax's denominator.
[[nodiscard]] static inline LMGC_HOST_DEVICE std::uint32_t denominator_term(float weight) {
  constexpr float kUnit = static_cast<float>(1 << kDenominatorBits);
  return static_cast<std::uint32_t>(round_to_int(weight * kUnit));
}

/// What makes a sum of attention weight * value code an output: weights are codes of `unit`.
[[nodiscard]] static inline LMGC_HOST_DEVICE double attention_factor(float unit,
                                                                     std::uint32_t denominator) {
  return static_cast<double>(unit) * static_cast<double>(1 << kDenominatorBits) /
         static_cast<double>(denominator);
}

}  // namespace lmgc::model
