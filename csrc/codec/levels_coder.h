#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/levels.h"
#include "codec/representation.h"

/// Levels as the body of a payload (docs/format.md, `levels`), tiles in parallel. `parameters` as
/// for a Representation. Like its functions, these throw PayloadError.
namespace lmgc::codec {

/// `own_rows`: as StructureRepresentation's.
[[nodiscard]] Parts encode_levels(const Levels& levels, std::span<const Parameter> parameters,
                                  bool own_rows);
[[nodiscard]] std::uint64_t levels_capacity(std::span<const std::byte> body);
void decode_levels(std::span<const std::byte> body, std::span<const Parameter> parameters,
                   std::span<float> values);

}  // namespace lmgc::codec
