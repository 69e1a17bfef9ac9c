#pragma once

#include <cstdint>
#include <span>

#include "predict/family.h"

namespace lmgc::predict {

/// The encoder's choice: the member of the family that codes these cells (coder::cell_of, fewer
/// than 2^15) in the fewest bits, of those tried.
[[nodiscard]] Member choose_member(std::span<const std::uint16_t> cells);

}  // namespace lmgc::predict
