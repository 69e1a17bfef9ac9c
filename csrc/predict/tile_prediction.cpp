#include "predict/tile_prediction.h"

#include <algorithm>
#include <cmath>

#include "predict/grid.h"
#include "predict/predictor.h"
#include "predict/row_kernels.h"

namespace lmgc::predict {
namespace {

/// 2^-exponent of each.
std::vector<float> reciprocals(std::span<const std::int16_t> exponents) {
  std::vector<float> units(exponents.size());
  std::ranges::transform(exponents, units.begin(), [](std::int16_t exponent) {
    return power_of_two(-std::clamp<int>(exponent, -120, 120));
  });
  return units;
}

/// log2 of each row's size in units of the columns' exponents.
std::vector<std::int16_t> choose_row_exponents(std::span<const float> values, const Model& model) {
  const std::size_t columns = model.columns.order.size();
  const std::vector<float> units = reciprocals(model.columns.exponent);
  const std::vector<float> zeros(columns);
  std::vector<std::int16_t> exponents(model.rows.order.size());
  for (std::size_t i = 0; i < exponents.size(); ++i) {
    const float sum = row_kernels().sum_of_squares(values.data() + i * columns, zeros.data(),
                                                   units.data(), 1, columns);
    const float exponent = std::log2(sum / static_cast<float>(columns)) / 2;  // of 0: -infinity
    exponents[i] = static_cast<std::int16_t>(std::lround(std::clamp(
        exponent, static_cast<float>(-kMaxRowExponent), static_cast<float>(kMaxRowExponent))));
  }
  return exponents;
}

/// How many octaves what `first` leaves lies above what history expects.
int choose_level(std::span<const float> values, std::span<const float> first, const Model& model) {
  const std::size_t columns = model.columns.order.size();
  const std::vector<float> column_units = reciprocals(model.remainder_exponent);
  const std::vector<float> row_units = reciprocals(model.rows.exponent);
  double sum = 0;
  for (std::size_t i = 0; i < row_units.size(); ++i) {
    sum += row_kernels().sum_of_squares(values.data() + i * columns, first.data() + i * columns,
                                        column_units.data(), row_units[i], columns);
  }
  const double level = sum > 0 ? std::log2(sum / static_cast<double>(values.size())) / 2 : 0;
  return static_cast<int>(std::clamp(std::lround(level), -100L, 100L));
}

}  // namespace

TilePrediction predict_tile(std::span<const float> values, const Model& model) {
  const Block all{0, model.rows.order.size(), 0, model.columns.order.size()};
  TilePrediction prediction{std::vector<float>(values.size()), choose_row_exponents(values, model)};
  Predictor predictor(model, prediction.row_exponents);
  predictor.learn_values(all, values);
  predictor.first(all, model.columns.pivots, prediction.values);
  if (model.known_rows == 0) {  // else what is known of rows has a level already
    prediction.level = choose_level(values, prediction.values, model);
    predictor.set_level(prediction.level);
  }
  predictor.learn_remainders(all, values, prediction.values);
  predictor.second(all, model.rows.pivots, prediction.values);
  return prediction;
}

}  // namespace lmgc::predict
