#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "predict/model.h"

namespace lmgc::predict {

/// What an encoder chose for a tile's prediction, and sends.
struct TilePrediction {
  std::vector<std::int16_t> row_exponents;  ///< Predictor's
  int level = 0;                            ///< Predictor's
};

/// Fills the `predictions` [rows][columns] of a tile's values in coding order, all at once since
/// the values are known: what a Predictor says block after block.
[[nodiscard]] TilePrediction predict_tile(std::span<const float> values, const Model& model,
                                          std::span<float> predictions);

}  // namespace lmgc::predict
