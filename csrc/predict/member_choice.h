#pragma once

#include <cstdint>
#include <span>

#include "predict/family.h"

namespace lmgc::predict {

/// The encoder's choice: the member of the family that codes these symbols in the fewest bits, of
/// those tried. Long tiles are judged by a part of their symbols.
[[nodiscard]] Member choose_member(std::span<const std::uint8_t> symbols,
                                   std::span<const std::uint16_t> contexts);

}  // namespace lmgc::predict
