#pragma once

#include <cstddef>

#include "predict/model.h"

/// Models of some of a tile's rows.
namespace lmgc::predict {

/// Rows [top, bottom) of `model` in coding order, for one who will know those before them.
[[nodiscard]] Model section_of(const Model& model, std::size_t top, std::size_t bottom);

/// The same for one who knows no others: the rows, one after another, are a tile of their own. What
/// depends on rows before them goes: only a part from the top on predicts rows from rows.
[[nodiscard]] Model part_of(const Model& model, std::size_t top, std::size_t bottom);

}  // namespace lmgc::predict
