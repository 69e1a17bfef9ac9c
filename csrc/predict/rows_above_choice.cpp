#include "predict/rows_above_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include "predict/grid.h"
#include "predict/numbers.h"
#include "predict/row_kernels.h"

namespace lmgc::predict {
namespace {

constexpr std::size_t kLeastRows = 32, kLeastColumns = 65;
constexpr std::array<std::size_t, 4> kCounts{4, 8, 16, kMaxRowsAbove};
constexpr std::size_t kLeastRowsToTry = 128;
constexpr double kWorthTrying = 1.0 / 4;  // bits a value
constexpr double kBitsPerWeight = 5.5;
constexpr double kLeastSaved = 1.0 / 64;  // bits a value
constexpr float kRidge = 0.003F;          // of the mean diagonal

/// Products of each row with itself and with those above it, [rows][kMaxRowsAbove + 1].
using Products = std::vector<std::array<float, kMaxRowsAbove + 1>>;

int octaves_of(std::int16_t scale) {
  return scale == kZeroLine ? 0 : std::clamp((scale + 2) >> 2, -100, 100);
}

/// Of codes in sixteenths of the values' scales.
Products products_of(std::span<const float> values, const Scales& scales) {
  constexpr std::size_t kRing = kMaxRowsAbove + 1;
  const RowKernels& kernels = row_kernels();
  const std::size_t rows = scales.rows.size(), columns = scales.columns.size();
  std::vector<float> units(columns);
  std::ranges::transform(scales.columns, units.begin(), [](std::int16_t scale) {
    return scale == kZeroLine ? 0 : power_of_two(-octaves_of(scale));
  });
  std::vector<std::int16_t> codes(columns);
  std::vector<std::int8_t> ring(kRing * columns);  // row i at i modulo kRing
  Products products(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    kernels.codes(values.data() + i * columns, units.data(),
                  power_of_two(4 - octaves_of(scales.rows[i])), columns, codes.data());
    std::int8_t* own = ring.data() + i % kRing * columns;
    for (std::size_t j = 0; j < columns; ++j) {
      codes[j] = std::clamp<std::int16_t>(codes[j], -127, 127);
      own[j] = static_cast<std::int8_t>(codes[j]);
    }
    for (std::size_t k = 0; k <= std::min(i, kMaxRowsAbove); ++k) {
      const std::int8_t* above = ring.data() + (i - k) % kRing * columns;
      products[i][k] = static_cast<float>(kernels.dot(codes.data(), above, columns));
    }
  }
  return products;
}

/// Of a row's least squares with kCounts rows above.
struct Solution {
  float own;                               ///< its sum of squares
  std::array<float, kCounts.size()> left;  ///< what is left of it
  std::array<std::array<float, kMaxRowsAbove>, kCounts.size()> weights;
};

/// Least squares of some rows side by side, one a lane, for compilers to vectorize.
class Systems {
 public:
  static constexpr std::size_t kLanes = 8;

  /// Of rows [first, first + kLanes), as far as there are such.
  Systems(const Products& products, std::size_t first) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const std::size_t row = std::min(first + lane, products.size() - 1);
      const std::size_t known = std::min(row, kMaxRowsAbove);
      float trace = 0;
      for (std::size_t p = 0; p < known; ++p) trace += products[row - 1 - p][0];
      const float ridge = kRidge * trace / static_cast<float>(kMaxRowsAbove) + 1;
      for (std::size_t p = 0; p < kMaxRowsAbove; ++p) {
        for (std::size_t q = 0; q <= p; ++q) {
          factor_[p][q][lane] = p < known ? products[row - 1 - q][p - q] : 0;
        }
        factor_[p][p][lane] += ridge;
        right_[p][lane] = p < known ? products[row][p + 1] : 0;
      }
      own_[lane] = products[row][0];
    }
    factorize();
  }

  void solve(std::span<Solution> rows) const {
    Lanes left = own_;
    std::size_t p = 0;
    for (std::size_t choice = 0; choice < kCounts.size(); ++choice) {
      for (; p < kCounts[choice]; ++p) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
          left[lane] -= right_[p][lane] * right_[p][lane];
        }
      }
      const auto weights = weights_of(kCounts[choice]);
      for (std::size_t lane = 0; lane < rows.size(); ++lane) {
        Solution& row = rows[lane];
        row.own = own_[lane];
        row.left[choice] = std::max(left[lane], own_[lane] * 0x1p-16F);
        for (std::size_t k = 0; k < kCounts[choice]; ++k) {
          row.weights[choice][k] = weights[k][lane];
        }
      }
    }
  }

 private:
  using Lanes = std::array<float, kLanes>;

  /// Cholesky, and the right side with it.
  void factorize() {
    for (std::size_t q = 0; q < kMaxRowsAbove; ++q) {
      const Lanes diagonal = factor_[q][q];
      for (std::size_t p = q; p < kMaxRowsAbove; ++p) subtract(factor_[p][q], p, q);
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const float least = diagonal[lane] * 0x1p-12F;
        const float pivot = factor_[q][q][lane];
        inverse_[q][lane] = 1 / std::sqrt(pivot > least ? pivot : least);
      }
      for (std::size_t p = q + 1; p < kMaxRowsAbove; ++p) scale(factor_[p][q], q);
      for (std::size_t k = 0; k < q; ++k) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
          right_[q][lane] -= factor_[q][k][lane] * right_[k][lane];
        }
      }
      scale(right_[q], q);
    }
  }

  [[nodiscard]] std::array<Lanes, kMaxRowsAbove> weights_of(std::size_t count) const {
    std::array<Lanes, kMaxRowsAbove> weights;
    for (std::size_t p = count; p-- > 0;) {
      Lanes sum = right_[p];
      for (std::size_t q = p + 1; q < count; ++q) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
          sum[lane] -= factor_[q][p][lane] * weights[q][lane];
        }
      }
      weights[p] = sum;
      scale(weights[p], p);
    }
    return weights;
  }

  void subtract(Lanes& sum, std::size_t p, std::size_t q) const {
    Lanes left = sum;
    for (std::size_t k = 0; k < q; ++k) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        left[lane] -= factor_[p][k][lane] * factor_[q][k][lane];
      }
    }
    sum = left;
  }

  void scale(Lanes& numbers, std::size_t q) const {
    for (std::size_t lane = 0; lane < kLanes; ++lane) numbers[lane] *= inverse_[q][lane];
  }

  std::array<std::array<Lanes, kMaxRowsAbove>, kMaxRowsAbove> factor_;
  std::array<Lanes, kMaxRowsAbove> right_, inverse_;
  Lanes own_;
};

std::vector<Solution> solutions_of(const Products& products) {
  std::vector<Solution> rows(products.size());
  for (std::size_t i = 0; i < rows.size(); i += Systems::kLanes) {
    const std::size_t count = std::min(Systems::kLanes, rows.size() - i);
    Systems(products, i).solve(std::span(rows).subspan(i, count));
  }
  return rows;
}

/// Of rows with kCounts[choice] rows above, by what least squares leaves.
double saved_bits_by(std::span<const Solution> rows, std::size_t choice, std::size_t columns) {
  std::int64_t squares = 0;  // octaves saved, in 1/65536
  for (const Solution& row : rows) {
    if (row.own > 0) squares += wide::log2_q16(row.own) - wide::log2_q16(row.left[choice]);
  }
  return static_cast<double>(squares) * 0x1p-17 * static_cast<double>(columns) -
         kBitsPerWeight * static_cast<double>(kCounts[choice] * rows.size());
}

/// Of kCounts the one that saves most; none if that is little.
std::optional<std::size_t> choose_count(std::span<const Solution> rows, std::size_t columns) {
  std::optional<std::size_t> best;
  double most = kLeastSaved * static_cast<double>(rows.size() * columns);
  for (std::size_t choice = 0; choice < kCounts.size(); ++choice) {
    const double saved = saved_bits_by(rows, choice, columns);
    if (saved <= most) continue;
    most = saved;
    best = choice;
  }
  return best;
}

RowWeights weights_of(std::span<const Solution> solutions, std::size_t choice,
                      const Scales& scales) {
  const std::size_t rows = solutions.size(), count = kCounts[choice];
  RowWeights all{std::vector<std::int16_t>(rows),
                 std::vector<std::vector<std::int16_t>>(count, std::vector<std::int16_t>(rows))};
  for (std::size_t i = 0; i < rows; ++i) {
    all.exponents[i] = static_cast<std::int16_t>(octaves_of(scales.rows[i]));
    for (std::size_t k = 0; k < std::min(count, i); ++k) {
      const float weight = solutions[i].weights[choice][k] * (1 << kAboveBits);
      constexpr float kMost = kMaxAboveWeight;
      all.weights[k][i] = static_cast<std::int16_t>(std::lround(std::clamp(weight, -kMost, kMost)));
    }
  }
  return all;
}

/// Bits that smaller scales save.
double saved_bits(const Scales& before, const Scales& after) {
  const auto sum = [](std::span<const std::int16_t> scales) {
    double sum = 0;
    for (const std::int16_t scale : scales) sum += scale == kZeroLine ? 0 : scale;
    return sum;
  };
  const double rows = sum(before.rows) - sum(after.rows);
  const double columns = sum(before.columns) - sum(after.columns);
  return (rows * static_cast<double>(before.columns.size()) +
          columns * static_cast<double>(before.rows.size())) /
         kScaleSteps;
}

}  // namespace

std::optional<RowWeights> choose_rows_above(std::span<const float> values, Buffer<float>& room,
                                            Scales& scales) {
  const std::size_t rows = scales.rows.size(), columns = scales.columns.size();
  if (rows < kLeastRows || columns < kLeastColumns) return std::nullopt;
  const std::vector<Solution> solutions = solutions_of(products_of(values, scales));
  const std::optional<std::size_t> choice = choose_count(solutions, columns);
  if (!choice) return std::nullopt;
  RowWeights weights = weights_of(solutions, *choice, scales);
  const std::span<float> predictions = room.room(values.size());
  RowsAbove above(weights, columns);
  for (std::size_t i = 0; i < rows; ++i) {
    above.predict(predictions.data() + i * columns);
    above.learn(values.data() + i * columns);
  }
  Scales left = estimate_scales(values, predictions, columns, true);
  const double least = kLeastSaved * static_cast<double>(rows * columns) +
                       kBitsPerWeight * static_cast<double>(kCounts[*choice] * rows);
  if (saved_bits(scales, left) < least) return std::nullopt;
  scales = std::move(left);
  return weights;
}

bool rows_above_may_save_more(std::span<const float> values, std::span<const float> predictions,
                              std::size_t columns) {
  constexpr std::size_t kRows = kMaxRowsAbove + Systems::kLanes;
  const std::size_t rows = values.size() / columns;
  if (rows < kLeastRowsToTry || columns < kLeastColumns) return false;
  const std::size_t first = (rows - kRows) / 2 * columns, count = kRows * columns;
  const auto some = values.subspan(first, count);
  const Scales scales = estimate_scales(some, {}, columns, true);
  const Scales left = estimate_scales(some, predictions.subspan(first, count), columns, true);
  std::array<Solution, Systems::kLanes> solutions;
  Systems(products_of(some, scales), kMaxRowsAbove).solve(solutions);
  const double by_model = saved_bits(scales, left) / static_cast<double>(count);
  double by_rows = 0;
  for (std::size_t choice = 0; choice < kCounts.size(); ++choice) {
    by_rows = std::max(by_rows, saved_bits_by(solutions, choice, columns) /
                                    static_cast<double>(solutions.size() * columns));
  }
  return by_rows > by_model + kWorthTrying;
}

}  // namespace lmgc::predict
