#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "predict/model.h"
#include "predict/samples.h"

/// A tile's values in the forms that history learns from.
namespace lmgc::predict {

/// A dense matrix [rows][columns].
struct Matrix {
  std::size_t rows = 0, columns = 0;
  std::vector<float> values;

  Matrix(std::size_t rows_count, std::size_t columns_count)
      : rows(rows_count), columns(columns_count), values(rows * columns) {}
  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    return std::span(values).subspan(i * columns, columns);
  }
  [[nodiscard]] std::span<float> row(std::size_t i) {
    return std::span(values).subspan(i * columns, columns);
  }
};

/// Of each column: the mean of its squared values / 2^(2 * row_exponent[i]).
[[nodiscard]] std::vector<double> column_mean_squares(const Matrix& x,
                                                      std::span<const int> row_exponent);
/// Of each row: the mean of its squared values / 2^(2 * column_exponent[j]).
[[nodiscard]] std::vector<double> row_mean_squares(const Matrix& x,
                                                   std::span<const int> column_exponent);

/// x's rows in units of 2^exponent [columns], each at a mean square of 1.
[[nodiscard]] Samples samples_of_rows(const Matrix& x, std::span<const int> exponent);
/// x's columns in units of 2^column_exponent and 2^row_exponent, each at a mean square of 1.
[[nodiscard]] Samples samples_of_columns(const Matrix& x, std::span<const int> column_exponent,
                                         std::span<const int> row_exponent);

/// What `columns` leaves of x.
[[nodiscard]] Matrix columns_remainder(const Matrix& x, const Side& columns);

/// Mean squares of x's rows / 2^(2 * column_exponent[j]) after `rows` has predicted them.
[[nodiscard]] std::vector<double> rows_remainder_mean_squares(const Matrix& x, const Side& rows,
                                                              std::span<const int> column_exponent);

}  // namespace lmgc::predict
