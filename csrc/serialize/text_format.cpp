#include "serialize/text_format.h"

#include <numeric>

namespace lmgc::serialize {
namespace {

struct Separators {
  std::string_view prefix, suffix;
};

constexpr std::array<Separators, 7> kSeparators{
    {{"", ""}, {"", " "}, {"", ","}, {"", ", "}, {"", ";"}, {"0x", ""}, {"", ""}}};
constexpr std::string_view kHexDigits = "0123456789abcdef";

/// Where byte `at` of the text's byte stream lies in memory.
std::size_t memory_index(ByteOrder order, std::size_t at, std::size_t element_bytes) {
  if (order == ByteOrder::kLittle) return at;
  const std::size_t within = at % element_bytes;
  return at - within + (element_bytes - 1 - within);
}

}  // namespace

std::vector<std::uint8_t> TextFormat::characters() const {
  if (serialization != Serialization::kIso8859) return {kHexDigits.begin(), kHexDigits.end()};
  std::vector<std::uint8_t> bytes(256);
  std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  return bytes;
}

std::string_view TextFormat::prefix() const {
  return kSeparators[static_cast<std::size_t>(serialization)].prefix;
}

std::string_view TextFormat::suffix() const {
  return kSeparators[static_cast<std::size_t>(serialization)].suffix;
}

std::size_t TextFormat::symbols_per_byte() const {
  return serialization == Serialization::kIso8859 ? 1 : 2;
}

std::size_t TextFormat::symbols_per_group() const {
  return serialization == Serialization::kIso8859 ? 1 : 2 * std::size_t{bytes_per_group};
}

std::size_t TextFormat::symbols_per_window(std::size_t window) const {
  if (window == 0) return 0;
  const std::size_t tokens_per_group = symbols_per_group() + prefix().size() + suffix().size();
  return (window - 1) / tokens_per_group * symbols_per_group();
}

std::vector<std::uint16_t> TextFormat::to_symbols(DType dtype,
                                                  std::span<const std::byte> values) const {
  std::vector<std::uint16_t> symbols;
  symbols.reserve(values.size() * symbols_per_byte());
  for (std::size_t at = 0; at < values.size(); ++at) {
    const auto byte =
        std::to_integer<std::uint16_t>(values[memory_index(byte_order, at, traits(dtype).bytes)]);
    if (symbols_per_byte() == 1) {
      symbols.push_back(byte);
    } else {
      symbols.push_back(static_cast<std::uint16_t>(byte >> 4));
      symbols.push_back(byte & 15);
    }
  }
  return symbols;
}

void TextFormat::from_symbols(DType dtype, std::span<const std::uint16_t> symbols,
                              std::span<std::byte> values) const {
  for (std::size_t at = 0; at < values.size(); ++at) {
    const unsigned byte = symbols_per_byte() == 1
                              ? symbols[at]
                              : unsigned{symbols[2 * at]} << 4 | symbols[2 * at + 1];
    values[memory_index(byte_order, at, traits(dtype).bytes)] = std::byte(byte);
  }
}

}  // namespace lmgc::serialize
