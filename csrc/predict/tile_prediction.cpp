#include "predict/tile_prediction.h"

#include <algorithm>

#include "predict/grid.h"
#include "predict/numbers.h"
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
    const double sum = row_kernels().sum_of_squares(values.data() + i * columns, zeros.data(),
                                                    units.data(), 1, columns);
    exponents[i] = static_cast<std::int16_t>(std::clamp(
        wide::exponent_of(sum / static_cast<double>(columns)), -kMaxRowExponent, kMaxRowExponent));
  }
  return exponents;
}

/// How many octaves what `first` leaves lies above what history expects, in the mean over rows: a
/// few rows that history hardly saw (a token's in an output layer) may lie any number above.
int choose_level(std::span<const float> values, std::span<const float> first, const Model& model) {
  const std::size_t columns = model.columns.order.size();
  const std::vector<float> column_units = reciprocals(model.remainder_exponent);
  const std::vector<float> row_units = reciprocals(model.rows.exponent);
  std::int64_t sum = 0, rows = 0;  // of log2 of mean squares, in 1/65536
  for (std::size_t i = 0; i < row_units.size(); ++i) {
    const double squares =
        row_kernels().sum_of_squares(values.data() + i * columns, first.data() + i * columns,
                                     column_units.data(), row_units[i], columns);
    if (squares == 0) continue;
    sum += wide::log2_q16(squares / static_cast<double>(columns));
    ++rows;
  }
  if (rows == 0) return 0;
  const std::int64_t octaves = (sum / rows + (1 << 16)) >> 17;  // of sizes, rounded
  return static_cast<int>(std::clamp<std::int64_t>(octaves, -kMaxLevel, kMaxLevel));
}

/// Calls work(begin, end, known) for parts of a side whose elements need only `known` pivots: some
/// blocks together, or a part of one, so that sums of products stay in a near cache.
template <typename Work>
void for_parts(const Side& side, const Work& work) {
  constexpr std::size_t kLeast = 32, kMost = 128;
  std::size_t begin = 0;
  for (std::size_t block = 0; block + 1 < side.edges.size(); ++block) {
    const std::size_t known = side.edges[block], end = side.edges[block + 1];
    if (end - begin < kLeast && end < side.order.size()) continue;
    while (begin < end) {
      const std::size_t next = std::min(begin + kMost, end);
      work(begin, next, known);
      begin = next;
    }
  }
}

}  // namespace

TilePrediction predict_tile(std::span<const float> values, const Model& model,
                            std::span<float> predictions) {
  const std::size_t rows = model.rows.order.size(), columns = model.columns.order.size();
  TilePrediction prediction{.row_exponents = choose_row_exponents(values, model)};
  Predictor predictor(model, prediction.row_exponents);
  const Block all{0, rows, 0, columns};
  const Strided<const float> from{values.data(), columns};
  predictor.learn_values(all, from);
  for_parts(model.columns, [&](std::size_t left, std::size_t right, std::size_t known) {
    predictor.first({0, rows, left, right}, known, {predictions.data() + left, columns});
  });
  if (model.known_rows == 0) {  // else what is known of rows has a level already
    prediction.level = choose_level(values, predictions, model);
    predictor.set_level(prediction.level);
  }
  predictor.learn_remainders(all, from, {predictions.data(), columns});
  for_parts(model.rows, [&](std::size_t top, std::size_t bottom, std::size_t known) {
    if (!predictor.has_second(known)) return;
    constexpr std::size_t kWidth = 512;
    for (std::size_t left = 0; left < columns; left += kWidth) {
      const Strided<float> part{predictions.data() + top * columns + left, columns};
      predictor.second({top, bottom, left, std::min(left + kWidth, columns)}, known,
                       {part.data, part.stride}, part);
    }
  });
  return prediction;
}

}  // namespace lmgc::predict
