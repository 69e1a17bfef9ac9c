#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "coder/stream_error.h"

/// Raw bits, packed without gaps, lowest bit first; the last byte is filled up with zeros.
namespace lmgc::coder {

inline constexpr unsigned kMaxFieldBits = 32;

/// The lowest counts[i] bits of values[i], one after the other; higher bits are ignored. Throws
/// std::invalid_argument for counts above kMaxFieldBits or sizes that differ.
[[nodiscard]] std::vector<std::byte> pack_bits(std::span<const std::uint32_t> values,
                                               std::span<const std::uint8_t> counts);

/// Bytes that pack_bits writes for `counts`.
[[nodiscard]] std::size_t packed_bytes(std::span<const std::uint8_t> counts);

/// Inverse of pack_bits. Throws StreamError unless `bytes` is exactly as long as `counts` say and
/// ends in zeros.
void unpack_bits(std::span<const std::byte> bytes, std::span<const std::uint8_t> counts,
                 std::span<std::uint32_t> values);

/// Unary numbers: values[i] zeros and a one.
[[nodiscard]] std::vector<std::byte> pack_unary(std::span<const std::uint8_t> values);

/// Inverse of pack_unary. Throws StreamError for values above 255 and for bytes that end early or
/// late.
void unpack_unary(std::span<const std::byte> bytes, std::span<std::uint8_t> values);

}  // namespace lmgc::coder
