#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "codec/byte_stream.h"
#include "serialize/text_format.h"

namespace lmgc::codec {

/// What a body says of the text that a language model read.
struct TextHead {
  using Fingerprint = std::array<std::uint8_t, 32>;

  serialize::TextFormat format;
  std::size_t window = 0;     ///< tokens a chunk, with the one that opens it
  Fingerprint fingerprint{};  ///< of the model

  void write(ByteWriter& writer) const;
  /// Of a payload that a codec with this head reads: its text may be another, its window smaller.
  /// Throws PayloadError; a window holds at least a group.
  [[nodiscard]] TextHead read(ByteReader& reader) const;
};

}  // namespace lmgc::codec
