#pragma once

#include <cstdint>
#include <span>

#include "codec/representation.h"
#include "codec/staged.h"

/// Bodies of what lossy stages made, as presets kLevels and kSparse (docs/format.md).
namespace lmgc::codec {

/// The preset of `staged`: kLevels, kSparse, or kRaw for values that are sent as any others.
[[nodiscard]] Preset preset_of(const Staged& staged);

/// Of other presets than kRaw. `structure`: for values that are kept as they are.
[[nodiscard]] Parts encode_staged(const Staged& staged, std::span<const Parameter> parameters,
                                  const Representation& structure);

/// As Representation's. Throw PayloadError.
[[nodiscard]] std::uint64_t staged_capacity_bytes(Preset preset, std::span<const std::byte> body);
void decode_staged(Preset preset, std::span<const std::byte> body,
                   std::span<const Parameter> parameters, const Representation& structure,
                   std::span<float> values);

}  // namespace lmgc::codec
