#include "predict/predictor.h"

#include <algorithm>
#include <cstring>

#include "predict/grid.h"

namespace lmgc::predict {
namespace {

/// Blocks of fewer columns are predicted value by value: matrix products have little to share.
constexpr std::size_t kFewColumns = 8;

std::size_t even(std::size_t count) { return count + count % 2; }

/// 2^exponent, the exponent kept where products of a sum of codes stay finite.
float unit(int exponent) { return power_of_two(std::clamp(exponent, -110, 60)); }
float reciprocal(int exponent) { return power_of_two(-std::clamp(exponent, -110, 60)); }

/// Weights [columns][pivots] as pairs [(pivots + 1) / 2][columns][2].
std::vector<std::int16_t> paired(std::span<const std::int8_t> weights, std::size_t columns,
                                 std::size_t pivots) {
  constexpr std::size_t kTogether = 16;  // columns: a line of the pairs
  std::vector<std::int16_t> pairs(columns * even(pivots)), wide(kTogether * even(pivots));
  for (std::size_t left = 0; left < columns; left += kTogether) {
    const std::size_t count = std::min(kTogether, columns - left);
    for (std::size_t j = 0; j < count; ++j) {
      const std::int8_t* from = weights.data() + (left + j) * pivots;
      std::copy_n(from, pivots, wide.data() + j * even(pivots));
    }
    for (std::size_t k = 0; k < even(pivots); k += 2) {
      std::int16_t* to = pairs.data() + (k / 2 * columns + left) * 2;
      const std::int16_t* from = wide.data() + k;
      for (std::size_t j = 0; j < count; ++j) {
        std::memcpy(to + 2 * j, from + j * even(pivots), 2 * sizeof(std::int16_t));
      }
    }
  }
  return pairs;
}

/// How many columns come before the first block of more than a few.
std::size_t narrow_columns(const Side& columns) {
  std::size_t block = 0;
  while (block + 1 < columns.edges.size() &&
         columns.edges[block + 1] - columns.edges[block] < static_cast<int>(kFewColumns)) {
    ++block;
  }
  return columns.edges[block];
}

}  // namespace

std::vector<Block> wavefront(const Model& model) {
  const auto& rows = model.rows.edges;
  const auto& columns = model.columns.edges;
  std::vector<Block> blocks;
  for (std::size_t diagonal = 0; diagonal + 3 < rows.size() + columns.size(); ++diagonal) {
    for (std::size_t i = 0; i + 1 < rows.size() && i <= diagonal; ++i) {
      const std::size_t j = diagonal - i;
      if (j + 1 >= columns.size()) continue;
      blocks.push_back({rows[i], rows[i + 1], columns[j], columns[j + 1]});
    }
  }
  return blocks;
}

Predictor::Predictor(const Model& model, std::span<const std::int16_t> row_exponents)
    : model_(model),
      column_pivots_(even(model.columns.pivots)),
      row_pivots_(even(model.rows.pivots)),
      narrow_columns_(narrow_columns(model.columns)) {
  const std::size_t rows = model.rows.order.size();
  const std::size_t columns = model.columns.order.size();
  for (std::size_t i = 0; i < rows; ++i) {
    const int own = model.rows.exponent[i];
    row_units_.push_back(unit(row_exponents[i]));
    row_reciprocals_.push_back(reciprocal(row_exponents[i]));
    remainder_row_units_.push_back(
        unit(std::clamp(own + model.rows.shift[i], -kMaxRowExponent, kMaxRowExponent)));
    remainder_row_reciprocals_.push_back(reciprocal(own));
  }
  for (std::size_t j = 0; j < columns; ++j) {
    const int own = model.columns.exponent[j] - kCodeBits;
    column_units_.push_back(unit(own + model.columns.shift[j]));
    column_reciprocals_.push_back(reciprocal(own));
  }
  values_.resize(rows * column_pivots_);
  remainders_ = model.remainders;
  remainders_.resize(columns * row_pivots_);
  narrow_remainders_.resize(narrow_columns_ * row_pivots_);
  for (std::size_t i = 0; i < std::min(model.known_rows, model.rows.pivots); ++i) {
    for (std::size_t j = 0; j < narrow_columns_; ++j) {
      narrow_remainders_[j * row_pivots_ + i] = remainders_[(i / 2 * columns + j) * 2 + i % 2];
    }
  }
  column_weights_ = paired(model.columns.weights, columns, model.columns.pivots);
  row_weights_.resize(rows * row_pivots_);
  for (std::size_t i = 0; i < rows; ++i) {
    std::copy_n(model.rows.weights.data() + i * model.rows.pivots, model.rows.pivots,
                row_weights_.data() + i * row_pivots_);
  }
  set_level(0);
}

void Predictor::set_level(int level) {
  remainder_column_units_.clear();
  remainder_column_reciprocals_.clear();
  for (const std::int16_t exponent : model_.remainder_exponent) {
    remainder_column_units_.push_back(unit(exponent + level - kCodeBits));
    remainder_column_reciprocals_.push_back(reciprocal(exponent + level - kCodeBits));
  }
}

std::int32_t* Predictor::room_for_sums(std::size_t count) {
  if (most_sums_ < count) {
    sums_ = std::make_unique_for_overwrite<std::int32_t[]>(count);
    most_sums_ = count;
  }
  return sums_.get();
}

void Predictor::first(const Block& block, std::size_t known, Strided<float> predictions) {
  const std::size_t pairs = std::min(even(known), column_pivots_) / 2;
  const std::size_t columns = block.columns();
  if (pairs == 0) {
    for (std::size_t i = 0; i < block.rows(); ++i) std::fill_n(predictions.row(i), columns, 0.0F);
    return;
  }
  std::int32_t* sums = room_for_sums(block.values());
  if (columns < kFewColumns) {
    const std::size_t pivots = model_.columns.pivots;
    for (std::size_t i = 0; i < block.rows(); ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        sums[i * columns + j] = rows_.dot(values_.data() + (block.top + i) * column_pivots_,
                                          model_.columns.weights.data() + (block.left + j) * pivots,
                                          std::min(known, pivots));
      }
    }
  } else {
    products_.multiply(
        {block.rows(), columns, pairs, column_pivots_, model_.columns.order.size() * 2, columns},
        values_.data() + block.top * column_pivots_, column_weights_.data() + block.left * 2, sums,
        false);
  }
  for (std::size_t i = 0; i < block.rows(); ++i) {
    rows_.predictions(sums + i * columns, column_units_.data() + block.left,
                      row_units_[block.top + i], columns, predictions.row(i));
  }
}

void Predictor::second(const Block& block, std::size_t known, Strided<const float> first,
                       Strided<float> predictions) {
  const std::size_t pairs = std::min(even(model_.known_rows + known), row_pivots_) / 2;
  const std::size_t columns = block.columns();
  std::int32_t* sums = room_for_sums(block.values());
  if (columns < kFewColumns && block.right <= narrow_columns_) {
    const std::size_t pivots = model_.rows.pivots;
    for (std::size_t i = 0; i < block.rows(); ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        sums[i * columns + j] =
            rows_.dot(narrow_remainders_.data() + (block.left + j) * row_pivots_,
                      model_.rows.weights.data() + (block.top + i) * pivots,
                      std::min(model_.known_rows + known, pivots));
      }
    }
  } else {
    products_.multiply(
        {block.rows(), columns, pairs, row_pivots_, model_.columns.order.size() * 2, columns},
        row_weights_.data() + block.top * row_pivots_, remainders_.data() + block.left * 2, sums,
        false);
  }
  for (std::size_t i = 0; i < block.rows(); ++i) {
    rows_.add_predictions(sums + i * columns, remainder_column_units_.data() + block.left,
                          remainder_row_units_[block.top + i], first.row(i), columns,
                          predictions.row(i));
  }
}

void Predictor::learn_values(const Block& block, Strided<const float> values) {
  const std::size_t right = std::min(block.right, model_.columns.pivots);
  if (block.left >= right) return;
  for (std::size_t i = 0; i < block.rows(); ++i) {
    rows_.codes(values.row(i), column_reciprocals_.data() + block.left,
                row_reciprocals_[block.top + i], right - block.left,
                values_.data() + (block.top + i) * column_pivots_ + block.left);
  }
}

void Predictor::learn_remainders(const Block& block, Strided<const float> values,
                                 Strided<const float> first) {
  const std::size_t all_columns = model_.columns.order.size();
  for (std::size_t i = block.top; i < block.bottom; ++i) {
    const std::size_t row = model_.known_rows + i;
    if (row >= model_.rows.pivots) return;
    std::int16_t* pairs = remainders_.data() + (row / 2 * all_columns + block.left) * 2;
    rows_.remainder_codes(values.row(i - block.top), first.row(i - block.top),
                          remainder_column_reciprocals_.data() + block.left,
                          remainder_row_reciprocals_[i], row % 2 != 0, block.columns(), pairs);
    for (std::size_t j = block.left; j < std::min(block.right, narrow_columns_); ++j) {
      narrow_remainders_[j * row_pivots_ + row] = pairs[2 * (j - block.left) + row % 2];
    }
  }
}

}  // namespace lmgc::predict
