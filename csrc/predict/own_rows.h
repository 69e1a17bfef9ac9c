#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "predict/model.h"
#include "predict/regression.h"
#include "predict/tile.h"

namespace lmgc::predict {

/// Learns a tile's columns from its own first rows, while it is coded: what a step's batch has in
/// common no history can know. Both ends do it alike.
class OwnRows {
 public:
  /// Starts from nothing. Requires has_model(tile).
  explicit OwnRows(const Tile& tile);
  /// Goes on from what history learned: `columns` with its `side`, in units of 2^exponent [columns]
  /// by place, and the model that it showed.
  OwnRows(const Regression& columns, const Side& side, std::span<const int> exponent,
          std::shared_ptr<const Model> model);

  /// Learns `rows` [any count][columns], by place, and gives the model for those that follow: rows
  /// as in the model before.
  [[nodiscard]] std::shared_ptr<const Model> learn(std::span<const float> rows);

 private:
  Regression columns_;
  Side side_;
  std::vector<int> exponent_;  // by place; empty: those of the first rows
  std::shared_ptr<const Model> model_;
  double decay_;
};

/// A model that predicts nothing and keeps the order.
[[nodiscard]] std::shared_ptr<const Model> plain_model(const Tile& tile);

}  // namespace lmgc::predict
