#pragma once

#include <cstdint>
#include <span>

#include "codec/representation.h"
#include "codec/staged.h"

/// Bodies of what lossy stages made (docs/format.md), in the way of a representation: kLevels and
/// kSparse of structure's, kLevelsText and kSparse of paper's.
namespace lmgc::codec {

/// The preset of `staged`; kRaw: its values are sent as any others.
[[nodiscard]] Preset preset_of(const Staged& staged, const Representation& representation);

/// Of other presets than kRaw.
[[nodiscard]] Parts encode_staged(const Staged& staged, std::span<const Parameter> parameters,
                                  const Representation& representation);

/// Whether `representation` decodes such bodies.
[[nodiscard]] bool reads_staged(Preset preset, const Representation& representation);

/// As Representation's, of what it reads. Throw PayloadError.
[[nodiscard]] std::uint64_t staged_capacity_bytes(Preset preset, std::span<const std::byte> body);
void decode_staged(Preset preset, std::span<const std::byte> body,
                   std::span<const Parameter> parameters, const Representation& representation,
                   std::span<float> values);

}  // namespace lmgc::codec
