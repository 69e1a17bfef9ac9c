#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "predict/gemm.h"
#include "predict/model.h"
#include "predict/row_kernels.h"

namespace lmgc::predict {

/// Rows [top, bottom) and columns [left, right) of a tile, in coding order.
struct Block {
  std::size_t top, bottom, left, right;

  [[nodiscard]] std::size_t rows() const { return bottom - top; }
  [[nodiscard]] std::size_t columns() const { return right - left; }
  [[nodiscard]] std::size_t values() const { return rows() * columns(); }
};

/// Numbers of a block, row after row, each `stride` after the one before.
template <typename Number>
struct Strided {
  Number* data;
  std::size_t stride;

  [[nodiscard]] Number* row(std::size_t i) const { return data + i * stride; }
};

/// Blocks of a tile in an order in which all that a block needs comes before it.
[[nodiscard]] std::vector<Block> wavefront(const Model& model);

/// Row exponents and levels are within these.
inline constexpr int kMaxRowExponent = 30;
inline constexpr int kMaxLevel = 100;

/// Predicts a tile's values from those decoded before them. One tile, one thread. Requires the
/// default floating-point environment.
class Predictor {
 public:
  /// `model` must outlive it. `row_exponents` [rows] in coding order: log2 of the size of each
  /// row's values in units of the columns' exponents.
  Predictor(const Model& model, std::span<const std::int16_t> row_exponents);

  /// How many octaves this step's remainders lie above history's. Before the first `second`.
  void set_level(int level);

  /// Prediction of the block's values from the first `known` columns of their rows.
  void first(const Block& block, std::size_t known, Strided<float> predictions);
  /// Adds to `first` the prediction of what it leaves, from the first `known` rows of their columns
  /// and those that the model knows. `predictions` may be `first`.
  void second(const Block& block, std::size_t known, Strided<const float> first,
              Strided<float> predictions);
  /// Whether `second` adds anything.
  [[nodiscard]] bool has_second(std::size_t known) const {
    return model_.known_rows + known > 0 && row_pivots_ > 0;
  }

  /// Codes of the block's values, needed by blocks to the right.
  void learn_values(const Block& block, Strided<const float> values);
  /// Codes of what `first` left of them, needed by blocks below.
  void learn_remainders(const Block& block, Strided<const float> values,
                        Strided<const float> first);
  [[nodiscard]] const std::vector<std::int16_t>& remainders() const { return remainders_; }

 private:
  /// For `count` numbers, valid until the next call.
  std::int32_t* room_for_sums(std::size_t count);

  const Model& model_;
  const RowKernels& rows_ = row_kernels();
  const GemmKernels& products_ = gemm_kernels();
  std::vector<float> row_units_, row_reciprocals_;        // of values
  std::vector<float> column_units_, column_reciprocals_;  // with weights' shift; without
  std::vector<float> remainder_row_units_, remainder_row_reciprocals_;
  std::vector<float> remainder_column_units_, remainder_column_reciprocals_;
  std::size_t column_pivots_, row_pivots_;       // even
  std::vector<std::int16_t> values_;             // [rows][column pivots]
  std::vector<std::int16_t> remainders_;         // [row pivots / 2][columns][2]
  std::size_t narrow_columns_;                   // the first so many are in blocks of few columns
  std::vector<std::int16_t> narrow_remainders_;  // the same again, [narrow columns][row pivots]
  std::vector<std::int16_t> column_weights_;     // [column pivots / 2][columns][2]
  std::vector<std::int16_t> row_weights_;        // [rows][row pivots]
  std::unique_ptr<std::int32_t[]> sums_;
  std::size_t most_sums_ = 0;
};

}  // namespace lmgc::predict
