#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "host_device.h"
#include "serialize/dtype.h"

/// Floats of every dtype as float32: `lift` gives float32 bits that tell the value's head, its
/// highest kHeadBits; kTailBits lowest ones are left. A head that float32 cannot hold lifts to a
/// NaN.
namespace lmgc::serialize {

inline constexpr std::uint32_t kNotANumber = 0x7fc00000;

template <DType>
struct FloatWords;

template <>
struct FloatWords<DType::kFloat32> {
  using Word = std::uint32_t;
  static constexpr int kHeadBits = 32, kTailBits = 0;
  static constexpr int kLowest = -149;  ///< log2 of the smallest value above zero
  LMGC_HOST_DEVICE static constexpr std::uint32_t lift(Word word) { return word; }
  LMGC_HOST_DEVICE static constexpr Word lower(std::uint32_t lifted) { return lifted; }
};

template <>
struct FloatWords<DType::kBFloat16> {
  using Word = std::uint16_t;
  static constexpr int kHeadBits = 16, kTailBits = 0;
  static constexpr int kLowest = -133;
  LMGC_HOST_DEVICE static constexpr std::uint32_t lift(Word word) {
    return static_cast<std::uint32_t>(word) << 16;
  }
  LMGC_HOST_DEVICE static constexpr Word lower(std::uint32_t lifted) {
    return static_cast<Word>(lifted >> 16);
  }
};

template <>
struct FloatWords<DType::kFloat16> {
  using Word = std::uint16_t;
  static constexpr int kHeadBits = 16, kTailBits = 0;
  static constexpr int kLowest = -24;
  LMGC_HOST_DEVICE static constexpr std::uint32_t lift(Word word) {
    const std::uint32_t sign = static_cast<std::uint32_t>(word & 0x8000) << 16;
    const std::uint32_t exponent = word >> 10 & 31, mantissa = word & 0x3ff;
    if (exponent == 31) return kNotANumber;
    if (exponent != 0) return sign | (exponent + 112) << 23 | mantissa << 13;
    if (mantissa == 0) return sign;
    const int top = 31 - std::countl_zero(mantissa);
    return sign | static_cast<std::uint32_t>(top + 103) << 23 | (mantissa << (23 - top) & 0x7fffff);
  }
  LMGC_HOST_DEVICE static constexpr Word lower(std::uint32_t lifted) {
    const std::uint32_t sign = lifted >> 16 & 0x8000;
    const int exponent = static_cast<int>(lifted >> 23 & 255) - 127;
    const std::uint32_t significand = (lifted & 0x7fffff) | 0x800000;
    if (exponent < -24 || exponent > 15) return static_cast<Word>(sign);  // no value of this dtype
    if (exponent < -14) return static_cast<Word>(sign | significand >> (-1 - exponent));
    return static_cast<Word>(sign | static_cast<std::uint32_t>(exponent + 15) << 10 |
                             (lifted >> 13 & 0x3ff));
  }
};

template <>
struct FloatWords<DType::kFloat64> {
  using Word = std::uint64_t;
  static constexpr int kHeadBits = 35, kTailBits = 29;
  static constexpr int kLowest = -149;
  LMGC_HOST_DEVICE static constexpr std::uint32_t lift(Word word) {
    if (word << 1 == 0) return static_cast<std::uint32_t>(word >> 32);
    const int exponent = static_cast<int>(word >> 52 & 0x7ff) - 1023;
    if (exponent < -126 || exponent > 127) return kNotANumber;
    return static_cast<std::uint32_t>(word >> 63) << 31 |
           static_cast<std::uint32_t>(exponent + 127) << 23 |
           (static_cast<std::uint32_t>(word >> kTailBits) & 0x7fffff);
  }
  LMGC_HOST_DEVICE static constexpr Word lower(std::uint32_t lifted) {
    if ((lifted & 0x7fffffff) == 0) return Word{lifted} << 32;
    const std::uint64_t exponent = (lifted >> 23 & 255) + 896;
    return Word{lifted >> 31} << 63 | exponent << 52 | Word{lifted & 0x7fffff} << kTailBits;
  }
};

static_assert(FloatWords<DType::kFloat16>::lift(1) == std::bit_cast<std::uint32_t>(0x1p-24F));
static_assert(FloatWords<DType::kFloat16>::lower(FloatWords<DType::kFloat16>::lift(0x83ff)) ==
              0x83ff);
static_assert(FloatWords<DType::kFloat64>::lower(std::bit_cast<std::uint32_t>(-1.5F)) ==
              std::bit_cast<std::uint64_t>(-1.5));

[[nodiscard]] constexpr bool is_float(DType dtype) { return dtype <= DType::kFloat64; }

/// Calls `function.template operator()<dtype>()` for a float dtype.
template <typename Function>
auto with_float(DType dtype, Function&& function) {
  switch (dtype) {
    case DType::kFloat16:
      return function.template operator()<DType::kFloat16>();
    case DType::kBFloat16:
      return function.template operator()<DType::kBFloat16>();
    case DType::kFloat64:
      return function.template operator()<DType::kFloat64>();
    default:
      return function.template operator()<DType::kFloat32>();
  }
}

/// `count` elements of a float dtype as float32.
inline void lift_all(DType dtype, const std::byte* values, std::size_t count, float* lifted) {
  with_float(dtype, [&]<DType type>() {
    typename FloatWords<type>::Word word;
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(&word, values + i * sizeof word, sizeof word);
      lifted[i] = std::bit_cast<float>(FloatWords<type>::lift(word));
    }
  });
}

}  // namespace lmgc::serialize
