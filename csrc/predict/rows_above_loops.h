#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "predict/row_kernels.h"

/// The loops of RowsAbove, as those of row_loops.h.
namespace lmgc::predict {

static inline void keep_small_of_row(const float* __restrict values, std::size_t count,
                                     float* __restrict kept) {
  constexpr auto kBound = std::bit_cast<std::uint32_t>(kSmall);
  for (std::size_t j = 0; j < count; ++j) {
    const auto word = std::bit_cast<std::uint32_t>(values[j]);
    kept[j] = std::bit_cast<float>((word & 0x7fffffff) < kBound ? word : 0);
  }
}

static inline void weighted_sum_of_rows(const float* const* rows, const float* factors,
                                        std::size_t terms, std::size_t count,
                                        float* __restrict sums) {
  for (std::size_t j = 0; j < count; ++j) sums[j] = 0;
  std::size_t k = 0;
  for (; k + 4 <= terms; k += 4) {
    const float* __restrict a = rows[k];
    const float* __restrict b = rows[k + 1];
    const float* __restrict c = rows[k + 2];
    const float* __restrict d = rows[k + 3];
    const float u = factors[k], v = factors[k + 1], w = factors[k + 2], x = factors[k + 3];
    for (std::size_t j = 0; j < count; ++j) {
      sums[j] = sums[j] + u * a[j] + v * b[j] + w * c[j] + x * d[j];
    }
  }
  for (; k < terms; ++k) {
    const float* __restrict row = rows[k];
    const float factor = factors[k];
    for (std::size_t j = 0; j < count; ++j) sums[j] += factor * row[j];
  }
}

}  // namespace lmgc::predict
