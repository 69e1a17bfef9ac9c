#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "host_device.h"
#include "serialize/dtype.h"

namespace lmgc::serialize {

/// Values whose raw bits fill a whole number of 32-bit words: the unit of parallel work.
inline constexpr std::size_t kGroupValues = 32;

/// Bytes of the raw plane of `count` values: one stream of bits, lowest bit first.
[[nodiscard]] constexpr std::size_t raw_plane_bytes(DType dtype, std::size_t count) {
  return (count * static_cast<std::size_t>(traits(dtype).raw_bits) + 7) / 8;
}

/// Splits up to 32 values: symbols, and kRawBits words of raw bits (zeros past the last value).
template <typename Word, int kRawBits>
LMGC_HOST_DEVICE constexpr void split_group(const Word* values, std::size_t count,
                                            std::uint16_t* symbols, std::uint32_t* raw) {
  for (int word = 0; word < kRawBits; ++word) raw[word] = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t value = values[i];
    symbols[i] = static_cast<std::uint16_t>(value >> kRawBits);
    std::uint64_t rest = value & ((std::uint64_t{1} << kRawBits) - 1);
    int filled = static_cast<int>(i * kRawBits % 32);
    std::uint32_t* word = raw + i * kRawBits / 32;
    for (int left = kRawBits; left > 0;) {
      *word++ |= static_cast<std::uint32_t>(rest << filled);
      const int taken = 32 - filled;
      rest >>= taken;
      left -= taken;
      filled = 0;
    }
  }
}

/// Inverse of `split_group`.
template <typename Word, int kRawBits>
LMGC_HOST_DEVICE constexpr void join_group(const std::uint16_t* symbols, const std::uint32_t* raw,
                                           std::size_t count, Word* values) {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t rest = 0;
    int skipped = static_cast<int>(i * kRawBits % 32);
    const std::uint32_t* word = raw + i * kRawBits / 32;
    for (int have = 0; have < kRawBits;) {
      rest |= static_cast<std::uint64_t>(*word++ >> skipped) << have;
      have += 32 - skipped;
      skipped = 0;
    }
    rest &= (std::uint64_t{1} << kRawBits) - 1;
    values[i] = static_cast<Word>(std::uint64_t{symbols[i]} << kRawBits | rest);
  }
}

/// Splits `values` (whole elements of `dtype`, little-endian) into `symbols` [count] and `raw`
/// [raw_plane_bytes].
void split(DType dtype, std::span<const std::byte> values, std::span<std::uint16_t> symbols,
           std::span<std::byte> raw);

/// Inverse of `split`.
void join(DType dtype, std::span<const std::uint16_t> symbols, std::span<const std::byte> raw,
          std::span<std::byte> values);

}  // namespace lmgc::serialize
