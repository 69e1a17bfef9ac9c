#pragma once

#include <cstdint>
#include <span>

#include "predict/family.h"

namespace lmgc::predict {

/// The encoder's choice: the member of the family that codes these cells (cell_of) in the fewest
/// bits, of those tried. Long tiles are judged by a part of their cells.
[[nodiscard]] Member choose_member(std::span<const std::uint16_t> cells);

}  // namespace lmgc::predict
