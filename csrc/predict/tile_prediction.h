#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "predict/model.h"

namespace lmgc::predict {

/// The encoder's prediction of a tile in coding order, with what it chose and sends.
struct TilePrediction {
  std::unique_ptr<float[]> values;          ///< [rows][columns]
  std::vector<std::int16_t> row_exponents;  ///< Predictor's
  int level = 0;                            ///< Predictor's
};

/// Predicts the values [rows][columns] of a tile, all at once since they are known: what a
/// Predictor says block after block.
[[nodiscard]] TilePrediction predict_tile(std::span<const float> values, const Model& model);

}  // namespace lmgc::predict
