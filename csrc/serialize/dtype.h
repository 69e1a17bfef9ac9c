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

struct DTypeTraits {
  std::string_view name;
  std::size_t bytes;
};

inline constexpr std::array<DTypeTraits, 12> kDTypes{{{"float32", 4},
                                                      {"float16", 2},
                                                      {"bfloat16", 2},
                                                      {"float64", 8},
                                                      {"uint8", 1},
                                                      {"int8", 1},
                                                      {"int16", 2},
                                                      {"int32", 4},
                                                      {"int64", 8},
                                                      {"uint16", 2},
                                                      {"uint32", 4},
                                                      {"uint64", 8}}};

[[nodiscard]] constexpr const DTypeTraits& traits(DType dtype) {
  return kDTypes[static_cast<std::size_t>(dtype)];
}

}  // namespace lmgc::serialize
