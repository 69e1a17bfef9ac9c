#pragma once

#include <optional>
#include <span>

#include "buffer.h"
#include "predict/rows_above.h"
#include "predict/scales.h"

namespace lmgc::predict {

/// The encoder's choice for a tile of `values` [rows][columns], whose `scales` are those of the
/// values themselves: how many rows above, and their weights by least squares. Fills `room`
/// with predictions and renews `scales`; or gives nothing, where that would save next to nothing,
/// with `scales` as they were.
[[nodiscard]] std::optional<RowWeights> choose_rows_above(std::span<const float> values,
                                                          Buffer<float>& room, Scales& scales);

/// Whether rows above may save more of a tile than its `predictions` do: by some of its rows, in
/// the order in which they were predicted.
[[nodiscard]] bool rows_above_may_save_more(std::span<const float> values,
                                            std::span<const float> predictions,
                                            std::size_t columns);

}  // namespace lmgc::predict
