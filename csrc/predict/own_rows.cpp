#include "predict/own_rows.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "predict/model_part.h"
#include "predict/numbers.h"
#include "predict/predictor.h"
#include "predict/remainders.h"

namespace lmgc::predict {
namespace {

constexpr std::size_t kMostPivots = 256, kBlock = 16;
constexpr double kShrinkage = 0.003;
/// What a past step's row counts beside an own one.
constexpr double kPastWeight = 0.01;
/// How far a column's size must differ from history's, in octaves, to count as another.
constexpr int kOtherSize = 3;
/// Columns that are zero so far count as this many octaves below history's size.
constexpr int kLeastSize = 12;
/// The first section has a sixteenth of the rows, then they double; smaller ones are not worth it.
constexpr int kHalvings = 4;
constexpr std::size_t kFewestRows = 4;

Side plain_side(std::size_t n) {
  Side side;
  side.order.resize(n);
  std::iota(side.order.begin(), side.order.end(), std::uint16_t{0});
  side.edges = {0, static_cast<std::uint16_t>(n)};
  side.shift.resize(n);
  side.exponent.resize(n);
  return side;
}

/// A model that predicts nothing.
std::shared_ptr<const Model> plain_model(const Tile& tile) {
  Model model;
  model.columns = plain_side(tile.columns);
  model.rows = plain_side(tile.rows);
  model.remainder_exponent.resize(tile.columns);
  return std::make_shared<const Model>(std::move(model));
}

/// Rows as a predictor sees them, and what it says of them from their columns.
struct Seen {
  Matrix x;  // in coding order
  Block all;
  Predictor predictor;
  std::vector<float> first;

  /// `rows` [model's rows][columns] by place.
  Seen(const Model& model, std::span<const float> rows)
      : x(arranged(model, rows)),
        all{0, x.rows, 0, x.columns},
        predictor(model, row_exponents(model, x)),
        first(x.values.size()) {
    predictor.learn_values(all, {x.values.data(), x.columns});
    predictor.first(all, model.columns.pivots, {first.data(), x.columns});
  }

  static Matrix arranged(const Model& model, std::span<const float> rows) {
    const std::size_t columns = model.columns.order.size();
    Matrix x(rows.size() / columns, columns);
    for (std::size_t i = 0; i < x.rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        x.row(i)[j] = rows[i * columns + model.columns.order[j]];
      }
    }
    return x;
  }

  static std::vector<std::int16_t> row_exponents(const Model& model, const Matrix& x) {
    const std::vector<int> units(model.columns.exponent.begin(), model.columns.exponent.end());
    std::vector<std::int16_t> exponents;
    for (const double square : row_mean_squares(x, units)) {
      exponents.push_back(static_cast<std::int16_t>(
          std::clamp(wide::exponent_of(square), -kMaxRowExponent, kMaxRowExponent)));
    }
    return exponents;
  }
};

/// How many octaves what is left of the rows lies above what `model` expects.
int level_of(const Model& model, const Seen& seen) {
  Matrix left(seen.x.rows, seen.x.columns);
  for (std::size_t k = 0; k < left.values.size(); ++k) {
    left.values[k] = seen.x.values[k] - seen.first[k];
  }
  const std::vector<int> units(model.remainder_exponent.begin(), model.remainder_exponent.end());
  const std::vector<double> squares = row_mean_squares(left, units);
  double sum = 0;
  for (std::size_t i = 0; i < squares.size(); ++i) {
    sum += squares[i] * wide::power_of_two(-2 * model.rows.exponent[i]);
  }
  return std::clamp(wide::exponent_of(sum / static_cast<double>(squares.size())), -kMaxLevel,
                    kMaxLevel);
}

}  // namespace

OwnRows::OwnRows(const Tile& tile)
    : from_history_(false),
      columns_(tile.columns, std::min(kMostPivots, tile.columns) & ~std::size_t{1}, kBlock,
               kShrinkage),
      model_(plain_model(tile)) {}

OwnRows::OwnRows(const Regression& columns, const Side& side, std::span<const int> exponent,
                 std::shared_ptr<const Model> model)
    : from_history_(true),
      columns_(columns),
      side_(side),
      exponent_(exponent.begin(), exponent.end()),
      model_(std::move(model)) {
  columns_.keep_pivots();
}

void OwnRows::keep_to(std::shared_ptr<const Model> part) { model_ = std::move(part); }

std::vector<std::size_t> OwnRows::sections() const {
  const std::size_t rows = model_->rows.order.size();
  std::vector<std::size_t> edges{0};
  for (int halvings = kHalvings; halvings > 0; --halvings) {
    if (rows >> halvings >= kFewestRows) edges.push_back(rows >> halvings);
  }
  edges.push_back(rows);
  return edges;
}

std::shared_ptr<const Model> OwnRows::first(std::size_t bottom) const {
  if (!from_history_) return nullptr;
  return std::make_shared<const Model>(section_of(*model_, 0, bottom));
}

std::shared_ptr<const Model> OwnRows::next(std::span<const float> rows, std::size_t bottom) {
  const std::size_t columns = model_->columns.order.size();
  Matrix x(rows.size() / columns, columns);
  std::ranges::transform(rows, x.values.begin(), wide::finite_or_zero);
  const std::size_t needed = model_->rows.pivots * columns - known_.size();
  known_.insert(known_.end(), x.values.begin(),
                x.values.begin() + static_cast<std::ptrdiff_t>(std::min(needed, rows.size())));
  const bool first = learned_rows_ == 0;
  if (first) renew_exponents(column_mean_squares(x, std::vector<int>(x.rows, 0)));
  columns_.observe(samples_of_rows(x, exponent_), exponent_,
                   first && from_history_ ? kPastWeight : 1, side_);
  columns_.keep_pivots();
  learned_rows_ += x.rows;

  Model next = section_of(*model_, learned_rows_, bottom);
  std::vector<std::int16_t> remainder_exponent(columns);  // by place
  for (std::size_t j = 0; j < columns; ++j) {
    remainder_exponent[model_->columns.order[j]] = model_->remainder_exponent[j];
  }
  next.columns = side_;
  for (std::size_t j = 0; j < columns; ++j) {
    next.remainder_exponent[j] = remainder_exponent[side_.order[j]];
  }
  know_rows(next);
  return std::make_shared<const Model>(std::move(next));
}

/// Sizes of columns in this gradient, where they are not history's.
void OwnRows::renew_exponents(std::span<const double> mean_squares) {
  std::vector<int> own(mean_squares.size());
  std::ranges::transform(mean_squares, own.begin(), wide::exponent_of);
  if (exponent_.empty()) {
    exponent_ = std::move(own);
    return;
  }
  // Gradients grow and shrink from step to step: only sizes beside the largest are compared.
  const int grown = *std::ranges::max_element(own) - *std::ranges::max_element(exponent_);
  for (std::size_t j = 0; j < own.size(); ++j) {
    const int past = exponent_[j] + grown;
    const int now = std::max(own[j], past - kLeastSize);
    exponent_[j] = std::abs(now - past) >= kOtherSize ? now : past;
  }
}

/// What `section`'s columns leave of the rows before it.
void OwnRows::know_rows(Model& section) {
  const std::size_t columns = model_->columns.order.size();
  const std::size_t count = known_.size() / columns;
  section.known_rows = learned_rows_;
  if (count == 0) return;
  Model rows = section_of(*model_, 0, count);
  if (known_sections_++ == 0) {
    const Seen seen(rows, known_);
    level_ = level_of(rows, seen);  // as history sees them: learned rows would look too small
  }
  for (std::int16_t& exponent : section.remainder_exponent) {
    exponent = static_cast<std::int16_t>(exponent + level_);
  }
  rows.columns = section.columns;
  rows.remainder_exponent = section.remainder_exponent;
  Seen seen(rows, known_);
  seen.predictor.learn_remainders(seen.all, {seen.x.values.data(), columns},
                                  {seen.first.data(), columns});
  section.remainders = seen.predictor.remainders();
}

}  // namespace lmgc::predict
