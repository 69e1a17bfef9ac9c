#include "predict/triangular.h"

#include <algorithm>
#include <cmath>

namespace lmgc::predict {
namespace {

// Of the diagonal: what cancellation may leave; and of nothing.
constexpr float kLeastPivot = 0x1p-20F, kLeast = 0x1p-100F;

/// The first `count` rows of `sides` [][kStrip] become L^-1 sides; `lower` has rows of `size`.
void solve(const float* lower, const float* inverse, std::size_t size, std::size_t count,
           float* sides) {
  for (std::size_t begin = 0; begin < count; begin += kRowGroup) {
    const std::size_t rows = std::min(kRowGroup, count - begin);
    subtract_rows(lower + begin * size, size, rows, sides, begin, sides + begin * kStrip);
    for (std::size_t k = begin; k < begin + rows; ++k) {
      float* row = sides + k * kStrip;
      for (std::size_t q = begin; q < k; ++q) {
        const float scale = lower[k * size + q];
        for (std::size_t s = 0; s < kStrip; ++s) row[s] -= scale * sides[q * kStrip + s];
      }
      for (std::size_t s = 0; s < kStrip; ++s) row[s] *= inverse[k];
    }
  }
}

}  // namespace

Factor::Factor(std::span<const float> matrix, std::size_t size)
    : size_(size), lower_(size * size), upper_(size * size), inverse_(size) {
  // Strips of columns of L^T: rows above the strip are solved with what is known, those in it are
  // factored one by one.
  std::vector<float> strip(size * kStrip);
  for (std::size_t begin = 0; begin < size; begin += kStrip) {
    const std::size_t end = std::min(begin + kStrip, size);
    std::fill_n(strip.begin(), end * kStrip, 0.0F);
    for (std::size_t i = begin; i < end; ++i) {
      for (std::size_t k = 0; k <= i; ++k) strip[k * kStrip + i - begin] = matrix[i * size + k];
    }
    solve(lower_.data(), inverse_.data(), size, begin, strip.data());
    for (std::size_t i = begin; i < end; ++i) {
      for (std::size_t k = 0; k < begin; ++k) lower_[i * size + k] = strip[k * kStrip + i - begin];
    }
    for (std::size_t k = begin; k < end; k += kRowGroup) {
      subtract_rows(lower_.data() + k * size, size, std::min(kRowGroup, end - k), strip.data(),
                    begin, strip.data() + k * kStrip);
    }
    for (std::size_t k = begin; k < end; ++k) {
      float* row = strip.data() + k * kStrip;
      for (std::size_t q = begin; q < k; ++q) {
        const float scale = strip[q * kStrip + k - begin];
        for (std::size_t s = 0; s < kStrip; ++s) row[s] -= scale * strip[q * kStrip + s];
      }
      const float least = kLeastPivot * matrix[k * size + k] + kLeast;
      const float pivot = std::sqrt(row[k - begin] > least ? row[k - begin] : least);
      row[k - begin] = pivot * pivot;
      inverse_[k] = 1.0F / pivot;
      for (std::size_t s = 0; s < kStrip; ++s) row[s] *= inverse_[k];
      for (std::size_t i = k; i < end; ++i) lower_[i * size + k] = row[i - begin];
    }
  }
  for (std::size_t begin = 0; begin < size; begin += kStrip) {  // whole cache lines
    for (std::size_t k = 0; k < std::min(begin + kStrip, size); ++k) {
      for (std::size_t i = std::max(begin, k); i < std::min(begin + kStrip, size); ++i) {
        upper_[k * size + i] = lower_[i * size + k];
      }
    }
  }
}

void Factor::solve_lower(std::span<float> sides) const {
  solve(lower_.data(), inverse_.data(), size_, size_, sides.data());
}

void Factor::solve_upper(std::span<float> sides, std::size_t count) const {
  for (std::size_t end = count; end > 0;) {
    const std::size_t begin = (end - 1) / kRowGroup * kRowGroup;
    subtract_rows(upper_.data() + begin * size_ + end, size_, end - begin,
                  sides.data() + end * kStrip, count - end, sides.data() + begin * kStrip);
    for (std::size_t k = end; k-- > begin;) {
      float* row = sides.data() + k * kStrip;
      for (std::size_t q = k + 1; q < end; ++q) {
        const float scale = upper_[k * size_ + q];
        for (std::size_t s = 0; s < kStrip; ++s) row[s] -= scale * sides[q * kStrip + s];
      }
      for (std::size_t s = 0; s < kStrip; ++s) row[s] *= inverse_[k];
    }
    end = begin;
  }
}

}  // namespace lmgc::predict
