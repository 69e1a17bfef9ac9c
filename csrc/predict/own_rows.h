#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "predict/model.h"
#include "predict/regression.h"
#include "predict/tile.h"

namespace lmgc::predict {

/// Learns a tile's columns from its own rows while it is coded, section after section: what the
/// batch of a step has in common, no history can know. Both ends do it alike.
class OwnRows {
 public:
  /// Starts from nothing. Requires has_model(tile).
  explicit OwnRows(const Tile& tile);
  /// Goes on from what history learned: `columns` with its `side`, in units of 2^exponent [columns]
  /// by place, and the model that it shows.
  OwnRows(const Regression& columns, const Side& side, std::span<const int> exponent,
          std::shared_ptr<const Model> model);

  /// Before anything is learned: for the rows of part_of() alone.
  void keep_to(std::shared_ptr<const Model> part);

  /// Coding order of rows: their places.
  [[nodiscard]] std::span<const std::uint16_t> row_order() const { return model_->rows.order; }
  /// Sections of rows: edges from 0 to all.
  [[nodiscard]] std::vector<std::size_t> sections() const;

  /// Model of the first `bottom` rows; null where nothing is known.
  [[nodiscard]] std::shared_ptr<const Model> first(std::size_t bottom) const;
  /// Learns `rows` [any count][columns], by place, which follow those learned before, and gives the
  /// model of the section from there to `bottom`.
  [[nodiscard]] std::shared_ptr<const Model> next(std::span<const float> rows, std::size_t bottom);

 private:
  void renew_exponents(std::span<const double> mean_squares);
  void know_rows(Model& section);

  bool from_history_;
  Regression columns_;
  Side side_;
  std::vector<int> exponent_;  // by place
  std::shared_ptr<const Model> model_;
  std::size_t learned_rows_ = 0;
  int level_ = 0;  // of remainders above history's
  std::size_t known_sections_ = 0;
  std::vector<float> known_;  // rows that others are predicted from, by place
};

}  // namespace lmgc::predict
