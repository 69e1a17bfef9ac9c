#include "predict/remainders.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "predict/gemm.h"
#include "predict/numbers.h"
#include "predict/pairs.h"
#include "predict/wide_loops.h"

namespace lmgc::predict {
namespace {

constexpr double kSampleUnit = 64;    // a sample's root mean square
constexpr double kSampleLimit = 511;  // 4096 products of these fit 31 bits
constexpr std::size_t kRowBlock = 16;
constexpr std::size_t kPredictedRows = 64;  // so many that their product rereads weights seldom
constexpr std::size_t kColumnBlock = 64;

std::vector<double> powers(std::span<const int> exponent, int sign) {
  std::vector<double> powers(exponent.size());
  std::ranges::transform(exponent, powers.begin(),
                         [sign](int e) { return wide::power_of_two(sign * e); });
  return powers;
}

/// What makes a vector of this mean square one of kSampleUnit^2.
double normalizing(double mean_square) {
  return mean_square > 0 ? kSampleUnit / std::sqrt(mean_square) : 0.0;
}

}  // namespace

std::vector<double> column_mean_squares(const Matrix& x, std::span<const int> row_exponent) {
  std::vector<double> sums(x.columns);
  for (std::size_t i = 0; i < x.rows; ++i) {
    wide_loops().add_squares(x.row(i).data(), wide::power_of_two(-row_exponent[i]), x.columns,
                             sums.data());
  }
  for (double& sum : sums) sum /= static_cast<double>(x.rows);
  return sums;
}

std::vector<double> row_mean_squares(const Matrix& x, std::span<const int> column_exponent) {
  const std::vector<double> scale = powers(column_exponent, -1);
  std::vector<double> means(x.rows);
  for (std::size_t i = 0; i < x.rows; ++i) {
    means[i] = wide_loops().sum_of_squares(x.row(i).data(), scale.data(), x.columns) /
               static_cast<double>(x.columns);
  }
  return means;
}

Samples samples_of_rows(const Matrix& x, std::span<const int> exponent) {
  Samples samples(x.columns, x.rows);
  samples.weight = static_cast<float>(1 / (kSampleUnit * kSampleUnit));
  const std::vector<double> scale = powers(exponent, -1);
  const std::vector<double> means = row_mean_squares(x, exponent);
  std::vector<std::int16_t> two(2 * x.columns);
  for (std::size_t i = 0; i < x.rows; ++i) {
    std::int16_t* one = two.data() + i % 2 * x.columns;
    wide_loops().codes(x.row(i).data(), scale.data(), normalizing(means[i]), kSampleLimit,
                       x.columns, one);
    if (i % 2 == 1 || i + 1 == x.rows) {
      interleave_pairs(two.data(), x.columns, i % 2 + 1, x.columns,
                       &samples.at(i & ~std::size_t{1}, 0));
    }
  }
  return samples;
}

Samples samples_of_columns(const Matrix& x, std::span<const int> column_exponent,
                           std::span<const int> row_exponent) {
  Samples samples(x.rows, x.columns);
  samples.weight = static_cast<float>(1 / (kSampleUnit * kSampleUnit));
  const std::vector<double> squares = column_mean_squares(x, row_exponent);
  std::vector<double> factor(x.columns);
  for (std::size_t j = 0; j < x.columns; ++j) {
    const double scale = wide::power_of_two(-column_exponent[j]);
    factor[j] = normalizing(squares[j] * scale * scale) * scale;
  }
  // Blocks of rows, so that the transposition writes whole cache lines.
  const std::size_t width = 2 * samples.pairs;
  std::vector<std::int16_t> block(kRowBlock * width);
  for (std::size_t begin = 0; begin < x.rows; begin += kRowBlock) {
    const std::size_t count = std::min(kRowBlock, x.rows - begin);
    for (std::size_t i = 0; i < count; ++i) {
      wide_loops().codes(x.row(begin + i).data(), factor.data(),
                         wide::power_of_two(-row_exponent[begin + i]), kSampleLimit, x.columns,
                         block.data() + i * width);
    }
    for (std::size_t p = 0; p < samples.pairs; ++p) {
      std::int16_t* codes = &samples.at(2 * p, begin);
      for (std::size_t i = 0; i < count; ++i) {
        codes[2 * i] = block[i * width + 2 * p];
        codes[2 * i + 1] = block[i * width + 2 * p + 1];
      }
    }
  }
  return samples;
}

Matrix columns_remainder(const Matrix& x, const Side& columns) {
  const std::size_t pivots = columns.pivots, n = x.columns;
  std::vector<int> exponent(n);  // by place, as all here
  std::vector<double> scale(n);  // of the sums
  std::vector<std::int16_t> weights(pivots * n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t place = columns.order[i];
    exponent[place] = columns.exponent[i];
    scale[place] = wide::power_of_two(columns.exponent[i] + columns.shift[i] - kCodeBits);
    for (std::size_t k = 0; k < pivots; ++k) {
      weights[(k / 2 * n + place) * 2 + k % 2] = columns.weights[i * pivots + k];
    }
  }
  const std::vector<double> means = row_mean_squares(x, exponent);
  Matrix remainder(x.rows, n);
  std::vector<std::int16_t> codes(kPredictedRows * pivots);
  std::vector<std::int32_t> sums(kPredictedRows * n);
  for (std::size_t begin = 0; begin < x.rows; begin += kPredictedRows) {
    const std::size_t count = std::min(kPredictedRows, x.rows - begin);
    for (std::size_t i = 0; i < count; ++i) {
      const int row_exponent = wide::exponent_of(means[begin + i]);
      const std::span<const float> row = x.row(begin + i);
      for (std::size_t k = 0; k < pivots; ++k) {
        const std::size_t place = columns.order[k];
        codes[i * pivots + k] = wide::code_of(
            row[place] * wide::power_of_two(kCodeBits - row_exponent - exponent[place]), kMaxCode);
      }
    }
    gemm_kernels().multiply({.m = count,
                             .n = n,
                             .pairs = pivots / 2,
                             .a_stride = pivots,
                             .b_stride = 2 * n,
                             .c_stride = n},
                            codes.data(), weights.data(), sums.data(), false);
    for (std::size_t i = 0; i < count; ++i) {
      wide_loops().remainder(x.row(begin + i).data(), sums.data() + i * n, scale.data(),
                             wide::power_of_two(wide::exponent_of(means[begin + i])), n,
                             remainder.row(begin + i).data());
    }
  }
  return remainder;
}

std::vector<double> rows_remainder_mean_squares(const Matrix& x, const Side& rows,
                                                std::span<const int> column_exponent) {
  const std::size_t pivots = rows.pivots;
  const std::vector<std::int16_t> weights(rows.weights.begin(), rows.weights.end());
  const std::vector<double> scale = powers(column_exponent, -1);
  std::vector<std::int16_t> codes(pivots * kColumnBlock);
  std::vector<std::int32_t> sums(x.rows * kColumnBlock);
  std::vector<double> means(x.rows);
  std::array<float, kColumnBlock> left{};
  std::array<double, kColumnBlock> ones;
  ones.fill(1.0);
  for (std::size_t begin = 0; begin < x.columns; begin += kColumnBlock) {
    const std::size_t count = std::min(kColumnBlock, x.columns - begin);
    for (std::size_t k = 0; k < pivots; ++k) {
      const std::span<const float> row = x.row(rows.order[k]).subspan(begin, count);
      const double unit = wide::power_of_two(kCodeBits - rows.exponent[k]);
      std::int16_t* to = codes.data() + k / 2 * kColumnBlock * 2 + k % 2;
      for (std::size_t j = 0; j < count; ++j) {
        to[2 * j] = wide::code_of(row[j] * scale[begin + j] * unit, kMaxCode);
      }
    }
    gemm_kernels().multiply({.m = x.rows,
                             .n = count,
                             .pairs = pivots / 2,
                             .a_stride = pivots,
                             .b_stride = 2 * kColumnBlock,
                             .c_stride = kColumnBlock},
                            weights.data(), codes.data(), sums.data(), false);
    for (std::size_t i = 0; i < x.rows; ++i) {
      const std::span<const float> row = x.row(rows.order[i]).subspan(begin, count);
      const double unit = wide::power_of_two(rows.exponent[i] + rows.shift[i] - kCodeBits);
      for (std::size_t j = 0; j < count; ++j) {
        left[j] = static_cast<float>(row[j] * scale[begin + j] - sums[i * kColumnBlock + j] * unit);
      }
      means[rows.order[i]] += wide_loops().sum_of_squares(left.data(), ones.data(), count);
    }
  }
  for (double& mean : means) mean /= static_cast<double>(x.columns);
  return means;
}

}  // namespace lmgc::predict
