#include "codec/header.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "codec/byte_stream.h"
#include "codec/payload_error.h"

namespace lmgc::codec {
namespace {

constexpr std::uint32_t kMagic = 0x43474D4C;  // "LMGC"
constexpr std::size_t kSealedFrom = 8;        // length and hash
constexpr std::size_t kHashedFrom = kSealedFrom + 16;
constexpr std::size_t kFixedBytes = kHashedFrom + 8 + 3;

}  // namespace

const char* preset_name(Preset preset) {
  constexpr std::array kNames{
      "raw", "structure", "paper", "levels", "sparse", "levels as text", "paper with a mixture"};
  return kNames[static_cast<std::size_t>(preset)];
}

std::uint64_t Header::values() const {
  std::uint64_t count = 1;
  for (const std::int64_t size : shape) count *= static_cast<std::uint64_t>(size);
  return count;
}

std::uint64_t hash(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::vector<std::byte> write_header(const Header& header) {
  ByteWriter bytes;
  bytes.fixed(kMagic);
  bytes.fixed(kFormatVersion);
  bytes.fixed(std::uint16_t{0});
  bytes.fixed(std::uint64_t{0});  // what seal() writes
  bytes.fixed(std::uint64_t{0});
  bytes.fixed(header.content_hash);
  bytes.fixed(static_cast<std::uint8_t>(header.preset));
  bytes.fixed(static_cast<std::uint8_t>(header.dtype));
  bytes.fixed(static_cast<std::uint8_t>(header.shape.size()));
  for (const std::int64_t size : header.shape) bytes.varint(static_cast<std::uint64_t>(size));
  return std::move(bytes.written());
}

void seal(std::span<std::byte> payload) {
  ByteWriter bytes;
  bytes.fixed(std::uint64_t{payload.size()});
  bytes.fixed(hash(payload.subspan(kHashedFrom)));
  std::ranges::copy(bytes.written(), payload.begin() + kSealedFrom);
}

Payload read_payload(std::span<const std::byte> bytes) {
  using Kind = PayloadError::Kind;
  ByteReader reader(bytes);
  if (reader.fixed<std::uint32_t>() != kMagic) {
    throw PayloadError(Kind::kVersion, "the bytes do not begin with LMGC; they are no payload");
  }
  const auto version = reader.fixed<std::uint16_t>();
  if (version != kFormatVersion) {
    throw PayloadError(Kind::kVersion, "format version " + std::to_string(version) +
                                           ", this library reads " +
                                           std::to_string(kFormatVersion) +
                                           "; use the same lmgc_torch on every side");
  }
  const auto reserved = reader.fixed<std::uint16_t>();
  const auto length = reader.fixed<std::uint64_t>();
  if (length > bytes.size() || bytes.size() < kFixedBytes) {
    throw PayloadError(Kind::kTruncated,
                       std::to_string(bytes.size()) + " bytes of " +
                           std::to_string(std::max<std::uint64_t>(length, kFixedBytes)));
  }
  const auto expected = reader.fixed<std::uint64_t>();
  if (reserved != 0 || length != bytes.size() || hash(reader.rest()) != expected) {
    throw PayloadError(Kind::kCorrupt, "the payload's checksum does not match its " +
                                           std::to_string(bytes.size()) + " bytes");
  }

  Payload payload;
  Header& header = payload.header;
  header.content_hash = reader.fixed<std::uint64_t>();
  const auto preset = reader.fixed<std::uint8_t>();
  const auto dtype = reader.fixed<std::uint8_t>();
  const auto dimensions = reader.fixed<std::uint8_t>();
  if (preset > static_cast<std::uint8_t>(Preset::kMixture)) {
    throw PayloadError(Kind::kPreset, "unknown preset number " + std::to_string(preset));
  }
  if (dtype >= serialize::kDTypes.size()) {
    throw PayloadError(Kind::kDType, "unknown dtype number " + std::to_string(dtype));
  }
  if (dimensions > kMaxDimensions) {
    throw PayloadError(Kind::kCorrupt, std::to_string(dimensions) + " dimensions");
  }
  header.preset = static_cast<Preset>(preset);
  header.dtype = static_cast<serialize::DType>(dtype);
  std::uint64_t extent = 1;
  for (int i = 0; i < dimensions; ++i) {
    const std::uint64_t size = reader.varint();
    if (size > kMaxExtent / extent)
      throw PayloadError(Kind::kCorrupt, "shape of more than 2^48 values");
    extent *= std::max<std::uint64_t>(size, 1);
    header.shape.push_back(static_cast<std::int64_t>(size));
  }
  payload.body = reader.rest();
  return payload;
}

}  // namespace lmgc::codec
