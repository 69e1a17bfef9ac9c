#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lmgc::serialize {

/// Element types, by their number in a payload.
enum class DType : std::uint8_t {
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat64,
  kUInt8,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt16,
  kUInt32,
  kUInt64,
};

/// How a value's bits divide into a symbol plane (its top bits: a float's sign and exponent, an
/// integer's top byte) and a plane of raw bits.
struct DTypeTraits {
  std::string_view name;
  std::size_t bytes;
  int symbol_bits;
  int raw_bits;
};

inline constexpr std::array<DTypeTraits, 12> kDTypes{{{"float32", 4, 9, 23},
                                                      {"float16", 2, 6, 10},
                                                      {"bfloat16", 2, 9, 7},
                                                      {"float64", 8, 12, 52},
                                                      {"uint8", 1, 8, 0},
                                                      {"int8", 1, 8, 0},
                                                      {"int16", 2, 8, 8},
                                                      {"int32", 4, 8, 24},
                                                      {"int64", 8, 8, 56},
                                                      {"uint16", 2, 8, 8},
                                                      {"uint32", 4, 8, 24},
                                                      {"uint64", 8, 8, 56}}};

[[nodiscard]] constexpr const DTypeTraits& traits(DType dtype) {
  return kDTypes[static_cast<std::size_t>(dtype)];
}

/// Calls `function.template operator()<Word, kRawBits>()` with the dtype's unsigned word.
template <typename Function>
void with_planes(DType dtype, Function&& function) {
  switch (dtype) {
    case DType::kFloat32:
      return function.template operator()<std::uint32_t, 23>();
    case DType::kFloat16:
      return function.template operator()<std::uint16_t, 10>();
    case DType::kBFloat16:
      return function.template operator()<std::uint16_t, 7>();
    case DType::kFloat64:
      return function.template operator()<std::uint64_t, 52>();
    case DType::kUInt8:
    case DType::kInt8:
      return function.template operator()<std::uint8_t, 0>();
    case DType::kInt16:
    case DType::kUInt16:
      return function.template operator()<std::uint16_t, 8>();
    case DType::kInt32:
    case DType::kUInt32:
      return function.template operator()<std::uint32_t, 24>();
    case DType::kInt64:
    case DType::kUInt64:
      return function.template operator()<std::uint64_t, 56>();
  }
}

}  // namespace lmgc::serialize
