#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "serialize/dtype.h"

namespace lmgc::mixture {

/// A value's bits as an integer, and what neighbours want to know of it.
struct Value {
  std::uint64_t word;
  serialize::DType dtype;

  [[nodiscard]] int bits() const { return static_cast<int>(8 * serialize::traits(dtype).bytes); }
  [[nodiscard]] bool negative() const { return (word >> (bits() - 1) & 1) != 0; }

  /// 0 for a zero, else the size in quarter octaves, 1 .. 1,023, on a scale that float dtypes
  /// share.
  [[nodiscard]] std::uint32_t size() const {
    using serialize::DType;
    const std::uint64_t magnitude = word & ~(std::uint64_t{1} << (bits() - 1));
    const auto rescaled = [&](int mantissa_bits, int bias) {
      if (magnitude == 0) return std::uint32_t{0};
      const auto quarters = static_cast<std::int64_t>(magnitude >> (mantissa_bits - 2));
      return static_cast<std::uint32_t>(
          std::clamp<std::int64_t>(quarters + 4 * std::int64_t{127 - bias}, 1, 1023));
    };
    switch (dtype) {
      case DType::kFloat32:
        return rescaled(23, 127);
      case DType::kBFloat16:
        return rescaled(7, 127);
      case DType::kFloat16:
        return rescaled(10, 15);
      case DType::kFloat64:
        return rescaled(52, 1023);
      default:
        return integer_size();
    }
  }

 private:
  [[nodiscard]] std::uint32_t integer_size() const {
    using serialize::DType;
    const bool is_signed = dtype >= DType::kInt8 && dtype <= DType::kInt64;
    const std::uint64_t all = ~std::uint64_t{0} >> (64 - bits());
    const std::uint64_t size = is_signed && negative() ? (all - word + 1) & all : word;
    if (size == 0) return 0;
    const auto octave = static_cast<int>(std::bit_width(size)) - 1;
    const std::uint64_t below = octave >= 2 ? size >> (octave - 2) : size << (2 - octave);
    return static_cast<std::uint32_t>(4 * (octave + 1)) + static_cast<std::uint32_t>(below & 3);
  }
};

}  // namespace lmgc::mixture
