#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "serialize/dtype.h"

namespace lmgc::serialize {

/// How bytes are written as text (LM-GC, section 3.2), by their number in a payload.
enum class Serialization : std::uint8_t {
  kHex,
  kHexSpace,
  kHexComma,
  kHexCommaSpace,
  kHexSemicolon,
  kHex0x,
  kIso8859,
};

inline constexpr std::array<std::string_view, 7> kSerializationNames{
    "hex", "hex-space", "hex-comma", "hex-comma-space", "hex-semicolon", "hex-0x", "iso8859"};

enum class ByteOrder : std::uint8_t { kBig, kLittle };

inline constexpr std::uint8_t kMaxBytesPerGroup = 8;

/// Text of a tensor: its bytes, as symbols (hex digits, or Latin-1 characters) in groups, each
/// group between constant separators. A character is a token; separators carry no information.
struct TextFormat {
  Serialization serialization = Serialization::kHexSpace;
  std::uint8_t bytes_per_group = 4;  ///< 1 .. kMaxBytesPerGroup; no meaning under iso8859
  ByteOrder byte_order = ByteOrder::kBig;

  /// Characters of the symbols, in their order: 16 hex digits or 256 bytes.
  [[nodiscard]] std::vector<std::uint8_t> characters() const;
  [[nodiscard]] std::string_view prefix() const;  ///< before each group
  [[nodiscard]] std::string_view suffix() const;  ///< after each group
  [[nodiscard]] std::size_t symbols_per_byte() const;
  [[nodiscard]] std::size_t symbols_per_group() const;

  /// Whole groups' symbols that fit in `window` tokens, one of which opens the window; 0: not even
  /// one group fits.
  [[nodiscard]] std::size_t symbols_per_window(std::size_t window) const;

  [[nodiscard]] std::vector<std::uint16_t> to_symbols(DType dtype,
                                                      std::span<const std::byte> values) const;

  /// Inverse of `to_symbols`. Requires symbols.size() == values.size() * symbols_per_byte().
  void from_symbols(DType dtype, std::span<const std::uint16_t> symbols,
                    std::span<std::byte> values) const;
};

}  // namespace lmgc::serialize
