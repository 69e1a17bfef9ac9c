#include "codec/byte_stream.h"

#include <string>

#include "codec/payload_error.h"

namespace lmgc::codec {

void ByteWriter::varint(std::uint64_t value) {
  for (; value >= 128; value >>= 7) bytes_.push_back(std::byte(value | 128));
  bytes_.push_back(std::byte(value));
}

std::uint64_t ByteReader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 63; shift += 7) {
    const auto byte = fixed<std::uint8_t>();
    value |= std::uint64_t{byte & 127u} << shift;
    if (byte < 128) return value;
  }
  throw PayloadError(PayloadError::Kind::kCorrupt, "an integer of more than 63 bits");
}

std::span<const std::byte> ByteReader::bytes(std::size_t count) {
  if (count > bytes_.size()) {
    throw PayloadError(
        PayloadError::Kind::kTruncated,
        std::to_string(count) + " more bytes expected, " + std::to_string(bytes_.size()) + " left");
  }
  const auto taken = bytes_.first(count);
  bytes_ = bytes_.subspan(count);
  return taken;
}

}  // namespace lmgc::codec
