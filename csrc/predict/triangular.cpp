#include "predict/triangular.h"

#include <algorithm>
#include <cmath>

namespace lmgc::predict {
namespace {

constexpr double kLeastPivot = 0x1p-40;  // of the diagonal: what cancellation may leave

}  // namespace

Factor::Factor(std::span<const double> matrix, std::size_t size)
    : size_(size), lower_(size * size), upper_(size * size), inverse_(size) {
  // Strips of columns of L^T: rows above the strip are solved with what is known, those in it are
  // factored one by one.
  std::vector<double> strip(size * kStrip);
  for (std::size_t begin = 0; begin < size; begin += kStrip) {
    const std::size_t end = std::min(begin + kStrip, size);
    std::fill(strip.begin(), strip.end(), 0.0);
    for (std::size_t i = begin; i < end; ++i) {
      for (std::size_t k = 0; k <= i; ++k) strip[k * kStrip + i - begin] = matrix[i * size + k];
    }
    for (std::size_t k = 0; k < end; ++k) {
      double* row = strip.data() + k * kStrip;
      wide_loops().subtract_rows(lower_.data() + k * size, strip.data(), std::min(k, begin), row);
      if (k >= begin) {
        // The columns of L^T in this strip: their own rows so far are in the strip.
        for (std::size_t q = begin; q < k; ++q) {
          const double scale = strip[q * kStrip + k - begin];
          for (std::size_t s = 0; s < kStrip; ++s) row[s] -= scale * strip[q * kStrip + s];
        }
        const double least = kLeastPivot * matrix[k * size + k] + 0x1p-200;
        const double pivot = std::sqrt(row[k - begin] > least ? row[k - begin] : least);
        row[k - begin] = pivot * pivot;
        inverse_[k] = 1.0 / pivot;
      }
      for (std::size_t s = 0; s < kStrip; ++s) row[s] *= inverse_[k];
      for (std::size_t i = std::max(begin, k); i < end; ++i) {
        lower_[i * size + k] = upper_[k * size + i] = row[i - begin];
      }
    }
  }
}

void Factor::solve_lower(std::span<double> sides, std::size_t count) const {
  const auto subtract_rows = wide_loops().subtract_rows;
  for (std::size_t k = 0; k < count; ++k) {
    double* row = sides.data() + k * kStrip;
    subtract_rows(lower_.data() + k * size_, sides.data(), k, row);
    for (std::size_t s = 0; s < kStrip; ++s) row[s] *= inverse_[k];
  }
}

void Factor::solve_upper(std::span<double> sides, std::size_t count) const {
  const auto subtract_rows = wide_loops().subtract_rows;
  for (std::size_t k = count; k-- > 0;) {
    double* row = sides.data() + k * kStrip;
    subtract_rows(upper_.data() + k * size_ + k + 1, sides.data() + (k + 1) * kStrip, count - k - 1,
                  row);
    for (std::size_t s = 0; s < kStrip; ++s) row[s] *= inverse_[k];
  }
}

}  // namespace lmgc::predict
