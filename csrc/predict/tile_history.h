#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "predict/model.h"
#include "predict/own_rows.h"
#include "predict/regression.h"
#include "predict/remainders.h"
#include "predict/tile.h"

namespace lmgc::predict {

/// Smaller ones have no Model.
[[nodiscard]] bool has_model(const Tile& tile);

/// As many pivots as `most` <= kMaxPivots and memory allow: the result for columns and for rows.
/// `bounded`: memory within kMaxShare of the tile's float32 values.
struct PivotCounts {
  std::size_t columns, rows;
};
[[nodiscard]] PivotCounts pivot_counts(const Tile& tile, std::size_t most, bool bounded);

/// Bytes that a TileHistory and its Model hold at most:
///   (rows + columns) * (K + 18) + 6 * columns + 2 K (K + 1) for K pivots on each side.
[[nodiscard]] std::size_t history_bytes(const Tile& tile, PivotCounts pivots);

/// What one observation takes, in products of integers.
[[nodiscard]] std::uint64_t learning_cost(const Tile& tile, PivotCounts pivots);

/// What past steps say about one tile. One thread at a time; the models it gave stay as they are.
class TileHistory {
 public:
  /// Requires has_model(tile). Even pivots, at most as many as columns and rows.
  /// `turn`: tiles with another choose their pivots anew in other steps.
  TileHistory(const Tile& tile, PivotCounts pivots, std::size_t block, std::uint32_t turn);

  /// Learns the tile's part of an averaged gradient; what is not finite counts as 0. Older steps
  /// count `decay` times what they did.
  void observe(const float* gradient, double decay);

  /// Null before the first observation. A side that did not help on steps it had not seen has no
  /// pivots and one block.
  [[nodiscard]] const std::shared_ptr<const Model>& model() const { return model_; }
  /// Of everything that model() and the next observations depend on.
  [[nodiscard]] std::uint64_t fingerprint() const { return fingerprint_; }
  /// To go on within a gradient. Requires model().
  [[nodiscard]] OwnRows own_rows() const;
  /// Resident, without what the class itself takes.
  [[nodiscard]] std::size_t bytes() const;

  void write(StateWriter& state) const;
  /// Throws std::invalid_argument on what write() cannot have written, and is reset then.
  void read(StateReader& state);
  void reset();

 private:
  /// What has been learned, shown or not. Requires model().
  [[nodiscard]] const Side& learned_columns() const;
  [[nodiscard]] const Side& learned_rows() const;
  void publish(std::shared_ptr<Model> learned);
  void update_fingerprint();

  Tile tile_;
  Regression columns_, rows_;
  std::shared_ptr<const Model> model_;
  Side hidden_columns_, hidden_rows_;  // learned, where model_ shows a side without pivots
  double weight_ = 0;                  // of all steps in the sizes
  std::vector<float> column_size_, remainder_size_, row_size_;  // root mean squares, by place
  // What a side's prediction saved on the last step that it had not seen: a sum of octaves, Q16.
  std::int64_t column_gain_ = 0, row_gain_ = 0;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace lmgc::predict
