#include "codec/text_head.h"

#include <algorithm>
#include <span>
#include <string>

#include "codec/payload_error.h"
#include "hex.h"

namespace lmgc::codec {

void TextHead::write(ByteWriter& writer) const {
  writer.fixed(static_cast<std::uint8_t>(format.serialization));
  writer.fixed(format.bytes_per_group);
  writer.fixed(static_cast<std::uint8_t>(format.byte_order));
  writer.fixed(static_cast<std::uint32_t>(window));
  writer.bytes(std::as_bytes(std::span(fingerprint)));
}

TextHead TextHead::read(ByteReader& reader) const {
  using Kind = PayloadError::Kind;
  const auto serialization = reader.fixed<std::uint8_t>();
  const auto bytes_per_group = reader.fixed<std::uint8_t>();
  const auto byte_order = reader.fixed<std::uint8_t>();
  TextHead head;
  head.window = reader.fixed<std::uint32_t>();
  std::ranges::copy(reader.bytes(fingerprint.size()),
                    std::as_writable_bytes(std::span(head.fingerprint)).begin());
  if (head.fingerprint != fingerprint) {
    throw PayloadError(Kind::kModel,
                       "written with model " + hex(std::as_bytes(std::span(head.fingerprint))) +
                           ", this codec has " + hex(std::as_bytes(std::span(fingerprint))) +
                           "; load the same model on every side");
  }
  if (serialization >= serialize::kSerializationNames.size() || bytes_per_group == 0 ||
      bytes_per_group > serialize::kMaxBytesPerGroup || byte_order > 1) {
    throw PayloadError(Kind::kCorrupt, "unknown text format");
  }
  head.format = {static_cast<serialize::Serialization>(serialization), bytes_per_group,
                 static_cast<serialize::ByteOrder>(byte_order)};
  if (head.window > window || head.format.symbols_per_window(head.window) == 0) {
    throw PayloadError(Kind::kCorrupt, "a window of " + std::to_string(head.window) +
                                           " tokens; this codec reads windows up to " +
                                           std::to_string(window));
  }
  return head;
}

}  // namespace lmgc::codec
