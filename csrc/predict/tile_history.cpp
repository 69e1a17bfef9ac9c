#include "predict/tile_history.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "predict/numbers.h"

namespace lmgc::predict {
namespace {

constexpr std::size_t kLeastSide = 8;
constexpr double kMaxShare = 0.15;
// What the first step's remainders count: they are of learned values.
constexpr double kFirstRemainders = 0.1;
// Of mean variances: the ridges that suited convolutions, transformers, young and overfitted nets.
constexpr double kColumnShrinkage = 0.006, kRowShrinkage = 0.03;

// Passes over the values, each, in products of integers.
constexpr std::uint64_t kPassCost = 800;

/// Whether rows help is measured often at first.
bool measures_rows(std::size_t observed) { return observed < 10 || observed % 4 == 0; }

std::vector<int> exponents_of(std::span<const float> sizes) {
  std::vector<int> exponents(sizes.size());
  std::ranges::transform(sizes, exponents.begin(), [](float size) {
    return wide::exponent_of(static_cast<double>(size) * size);
  });
  return exponents;
}

/// Root mean squares over steps: of total weight `before` so far, and one step more.
void update_sizes(std::span<const double> mean_squares, double before, double after,
                  std::span<float> sizes) {
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const double sum = static_cast<double>(sizes[i]) * sizes[i] * before + mean_squares[i];
    sizes[i] = static_cast<float>(std::sqrt(std::min(sum / after, 0x1p250)));
  }
}

/// Sum of log2(before / after) in 1/65536.
std::int64_t gain_of(std::span<const double> before, std::span<const double> after) {
  std::int64_t gain = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    gain += wide::log2_q16(before[i]) - wide::log2_q16(after[i]);
  }
  return gain;
}

/// Moves `side` to `hidden`, and leaves one that predicts nothing.
void hide(Side& side, Side& hidden) {
  hidden = std::move(side);
  side = Side{.order = hidden.order,
              .edges = {0, static_cast<std::uint16_t>(hidden.order.size())},
              .pivots = 0,
              .weights = {},
              .shift = hidden.shift,
              .exponent = hidden.exponent};
}

std::size_t side_bytes(std::size_t n, std::size_t pivots) {
  return n * (pivots + 18) + pivots * (pivots + 1);
}

}  // namespace

bool has_model(const Tile& tile) {
  return tile.rows * tile.columns >= static_cast<std::size_t>(kLeastMatrix) &&
         std::min(tile.rows, tile.columns) >= kLeastSide;
}

std::size_t history_bytes(const Tile& tile, PivotCounts pivots) {
  return side_bytes(tile.columns, pivots.columns) + side_bytes(tile.rows, pivots.rows) +
         4 * tile.columns + 2 * tile.columns;
}

PivotCounts pivot_counts(const Tile& tile, std::size_t most, bool bounded) {
  const auto counts = [&](std::size_t pivots) {
    return PivotCounts{std::min(pivots, tile.columns) & ~std::size_t{1},
                       std::min(pivots, tile.rows) & ~std::size_t{1}};
  };
  const double room = kMaxShare * 4 * static_cast<double>(tile.rows * tile.columns);
  std::size_t pivots = std::min(most, kMaxPivots);
  while (bounded && pivots > 16 &&
         static_cast<double>(history_bytes(tile, counts(pivots))) > room) {
    pivots = (pivots - 1) & ~std::size_t{15};
  }
  return counts(pivots);
}

std::uint64_t learning_cost(const Tile& tile, PivotCounts pivots) {
  const std::uint64_t values = tile.rows * tile.columns;
  return learning_cost(tile.columns, pivots.columns, tile.rows) +
         learning_cost(tile.rows, pivots.rows, tile.columns) +
         values * (pivots.columns + kPassCost);
}

TileHistory::TileHistory(const Tile& tile, PivotCounts pivots, std::size_t block,
                         std::uint32_t turn)
    : tile_(tile),
      columns_(tile.columns, pivots.columns, block, kColumnShrinkage, turn),
      rows_(tile.rows, pivots.rows, block, kRowShrinkage, turn + kTurns / 2) {
  reset();
}

void TileHistory::reset() {
  columns_.reset();
  rows_.reset();
  model_.reset();
  hidden_columns_ = hidden_rows_ = Side();
  weight_ = 0;
  column_size_.assign(tile_.columns, 0);
  remainder_size_.assign(tile_.columns, 0);
  row_size_.assign(tile_.rows, 0);
  column_gain_ = row_gain_ = 0;
  update_fingerprint();
}

const Side& TileHistory::learned_columns() const {
  return hidden_columns_.order.empty() ? model_->columns : hidden_columns_;
}

const Side& TileHistory::learned_rows() const {
  return hidden_rows_.order.empty() ? model_->rows : hidden_rows_;
}

void TileHistory::observe(const float* gradient, double decay) {
  Matrix x(tile_.rows, tile_.columns);
  for (std::size_t i = 0; i < tile_.rows; ++i) {
    const float* from = gradient + tile_.start + i * tile_.stride;
    std::transform(from, from + tile_.columns, x.row(i).begin(), wide::finite_or_zero);
  }
  const double before = decay * weight_;
  weight_ = before + 1;
  auto next = std::make_shared<Model>();
  const bool first = model_ == nullptr;
  if (!first) {
    next->columns = learned_columns();
    next->rows = learned_rows();
  }

  const std::vector<int> no_exponents(tile_.rows, 0);
  const std::vector<double> squares = column_mean_squares(x, no_exponents);
  update_sizes(squares, before, weight_, column_size_);
  const std::vector<int> column_exponent = exponents_of(column_size_);
  const auto learn_columns = [&] {
    columns_.observe(samples_of_rows(x, column_exponent), column_exponent, decay, next->columns);
  };

  // What the rows learn from is what coding sees: the remainder of a step that the columns'
  // weights had not seen. (Remainders of learned steps lose .001 to .006 of the rate.)
  if (first) learn_columns();
  Matrix remainder = columns_remainder(x, first ? next->columns : learned_columns());
  std::vector<double> left = column_mean_squares(remainder, no_exponents);
  if (!first) {
    column_gain_ = gain_of(squares, left);
    learn_columns();
  }
  if (column_gain_ < 0) {
    remainder = std::move(x);
    left = squares;
  }
  update_sizes(left, before, weight_, remainder_size_);
  const std::vector<int> remainder_exponent = exponents_of(remainder_size_);
  std::vector<int> own_exponent(left.size());
  std::ranges::transform(left, own_exponent.begin(), wide::exponent_of);
  const std::vector<double> row_squares = row_mean_squares(remainder, own_exponent);
  if (!first && measures_rows(rows_.observed())) {
    row_gain_ =
        gain_of(row_squares, rows_remainder_mean_squares(remainder, learned_rows(), own_exponent));
  }
  update_sizes(row_squares, before, weight_, row_size_);
  const std::vector<int> row_exponent = exponents_of(row_size_);
  const double row_decay = rows_.observed() == 1 ? kFirstRemainders * decay : decay;
  rows_.observe(samples_of_columns(remainder, remainder_exponent, row_exponent), row_exponent,
                row_decay, next->rows);

  next->remainder_exponent.resize(tile_.columns);
  for (std::size_t j = 0; j < tile_.columns; ++j) {
    next->remainder_exponent[j] =
        static_cast<std::int16_t>(remainder_exponent[next->columns.order[j]]);
  }
  publish(std::move(next));
}

OwnRows TileHistory::own_rows() const {
  return {columns_, learned_columns(), exponents_of(column_size_), model_};
}

void TileHistory::publish(std::shared_ptr<Model> learned) {
  hidden_columns_ = hidden_rows_ = Side();
  if (column_gain_ < 0) hide(learned->columns, hidden_columns_);
  // Rows from the remainders of the one step that the columns have learned would do harm.
  if (row_gain_ < 0 || rows_.observed() == 1) hide(learned->rows, hidden_rows_);
  model_ = std::move(learned);
  update_fingerprint();
}

void TileHistory::update_fingerprint() {
  StateWriter state;
  write(state);
  fingerprint_ = XXH3_64bits(state.written().data(), state.written().size());
}

std::size_t TileHistory::bytes() const {
  StateWriter state;
  write(state);
  return state.written().size() + (model_ ? 2 * model_->remainder_exponent.size() : 0) +
         5 * (hidden_columns_.order.size() + hidden_rows_.order.size());
}

void TileHistory::write(StateWriter& state) const {
  static const Side kEmpty;
  columns_.write(state, model_ ? learned_columns() : kEmpty);
  rows_.write(state, model_ ? learned_rows() : kEmpty);
  if (!model_) return;
  state.put(weight_);
  state.put_all(column_size_);
  state.put_all(remainder_size_);
  state.put_all(row_size_);
  state.put(column_gain_);
  state.put(row_gain_);
}

void TileHistory::read(StateReader& state) {
  reset();
  try {
    auto next = std::make_shared<Model>();
    columns_.read(state, next->columns);
    rows_.read(state, next->rows);
    require(columns_.observed() == rows_.observed(), "its sides have seen different steps");
    if (columns_.observed() > 0) {
      weight_ = state.take<double>();
      state.take_all(column_size_);
      state.take_all(remainder_size_);
      state.take_all(row_size_);
      column_gain_ = state.take<std::int64_t>();
      row_gain_ = state.take<std::int64_t>();
      require(weight_ >= 1 && weight_ < 1e6, "the steps' weight");
      for (const auto* sizes : {&column_size_, &remainder_size_, &row_size_}) {
        for (const float size : *sizes) require(size >= 0 && size <= 0x1p126f, "a size");
      }
      for (const std::int64_t gain : {column_gain_, row_gain_}) {
        require(gain > -(std::int64_t{1} << 48) && gain < (std::int64_t{1} << 48), "a gain");
      }
      next->remainder_exponent.resize(tile_.columns);
      const std::vector<int> exponent = exponents_of(remainder_size_);
      for (std::size_t j = 0; j < tile_.columns; ++j) {
        next->remainder_exponent[j] = static_cast<std::int16_t>(exponent[next->columns.order[j]]);
      }
      publish(std::move(next));
    }
  } catch (...) {
    reset();
    throw;
  }
}

}  // namespace lmgc::predict
