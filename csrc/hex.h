#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace lmgc {

/// Two lower-case digits for each byte, as fingerprints are told.
[[nodiscard]] inline std::string hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : bytes) {
    text.push_back(kDigits[std::to_integer<std::size_t>(byte >> 4)]);
    text.push_back(kDigits[std::to_integer<std::size_t>(byte & std::byte{15})]);
  }
  return text;
}

}  // namespace lmgc
