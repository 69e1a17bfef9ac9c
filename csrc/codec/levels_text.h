#pragma once

#include <cstddef>
#include <span>

#include "codec/levels.h"
#include "codec/representation.h"

/// Levels for preset `paper` (docs/format.md, `levels as text`): their integers as bytes, which
/// `text` writes (LM-GC, section 4).
namespace lmgc::codec {

[[nodiscard]] Parts encode_levels_text(const Levels& levels, const Representation& text);
/// Throws PayloadError.
void decode_levels_text(std::span<const std::byte> body, const Representation& text,
                        std::span<float> values);

}  // namespace lmgc::codec
