#include "predict/own_rows.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "predict/numbers.h"
#include "predict/remainders.h"

namespace lmgc::predict {
namespace {

constexpr std::size_t kMostPivots = 256;
constexpr double kShrinkage = 0.1;  // few rows are known: a strong ridge
/// What all past steps together count beside the first own rows.
constexpr double kPastWeight = 0.1;

Side plain_side(std::size_t n) {
  Side side;
  side.order.resize(n);
  std::iota(side.order.begin(), side.order.end(), std::uint16_t{0});
  side.edges = {0, static_cast<std::uint16_t>(n)};
  side.shift.resize(n);
  side.exponent.resize(n);
  return side;
}

}  // namespace

std::shared_ptr<const Model> plain_model(const Tile& tile) {
  return std::make_shared<const Model>(Model{plain_side(tile.columns), plain_side(tile.rows),
                                             std::vector<std::int16_t>(tile.columns)});
}

OwnRows::OwnRows(const Tile& tile)
    : columns_(tile.columns, std::min(kMostPivots, tile.columns) & ~std::size_t{1},
               Blocks::kSixteen, kShrinkage),
      model_(plain_model(tile)),
      decay_(1) {}

OwnRows::OwnRows(const Regression& columns, const Side& side, std::span<const int> exponent,
                 std::shared_ptr<const Model> model)
    : columns_(columns),
      side_(side),
      exponent_(exponent.begin(), exponent.end()),
      model_(std::move(model)),
      decay_(kPastWeight) {
  columns_.keep_pivots();
}

std::shared_ptr<const Model> OwnRows::learn(std::span<const float> rows) {
  const std::size_t columns = model_->columns.order.size();
  Matrix x(rows.size() / columns, columns);
  std::ranges::transform(rows, x.values.begin(), wide::finite_or_zero);
  if (exponent_.empty()) {
    const std::vector<double> squares = column_mean_squares(x, std::vector<int>(x.rows, 0));
    exponent_.resize(columns);
    std::ranges::transform(squares, exponent_.begin(), wide::exponent_of);
  }
  columns_.observe(samples_of_rows(x, exponent_), exponent_, decay_, side_);
  columns_.keep_pivots();
  decay_ = 1;

  auto next = std::make_shared<Model>(*model_);
  std::vector<std::int16_t> remainder_exponent(columns);  // by place
  for (std::size_t j = 0; j < columns; ++j) {
    remainder_exponent[model_->columns.order[j]] = model_->remainder_exponent[j];
  }
  next->columns = side_;
  for (std::size_t j = 0; j < columns; ++j) {
    next->remainder_exponent[j] = remainder_exponent[side_.order[j]];
  }
  model_ = next;
  return model_;
}

}  // namespace lmgc::predict
