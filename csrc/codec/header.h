#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "serialize/dtype.h"

namespace lmgc::codec {

inline constexpr std::uint16_t kFormatVersion = 3;
inline constexpr std::size_t kMaxDimensions = 16;
/// Product of the dimensions, zeros counted as ones; with kMaxDimensions it bounds the header.
inline constexpr std::uint64_t kMaxExtent = std::uint64_t{1} << 48;
inline constexpr std::size_t kMaxHeaderBytes = 64;

/// What wrote the body, by its number in a payload.
enum class Preset : std::uint8_t {
  kRaw,
  kStructure,
  kPaper,
  kLevels,
  kSparse,
  kLevelsText,
  kMixture
};

[[nodiscard]] const char* preset_name(Preset preset);

/// What a payload says before its body (docs/format.md).
struct Header {
  Preset preset = Preset::kRaw;
  serialize::DType dtype = serialize::DType::kFloat32;
  std::vector<std::int64_t> shape;  ///< at most kMaxDimensions, of extent at most kMaxExtent
  std::uint64_t content_hash = 0;   ///< of the decoded bytes

  [[nodiscard]] std::uint64_t values() const;
};

struct Payload {
  Header header;
  std::span<const std::byte> body;
};

/// XXH3, 64 bits.
[[nodiscard]] std::uint64_t hash(std::span<const std::byte> bytes);

/// The bytes before the body, with neither length nor checksum.
[[nodiscard]] std::vector<std::byte> write_header(const Header& header);
/// Gives a payload, header and body, its length and checksum.
void seal(std::span<std::byte> payload);

/// Inverse, of a sealed payload; `body` points into `bytes`. Throws PayloadError.
[[nodiscard]] Payload read_payload(std::span<const std::byte> bytes);

}  // namespace lmgc::codec
