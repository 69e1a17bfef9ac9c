#pragma once

#include <cstddef>
#include <cstdint>

namespace lmgc::predict {

/// Rows [row_count][n], `row_stride` elements apart, as b of a product: pairs [ceil(row_count /
/// 2)][n][2], the last with zeros if row_count is odd.
inline void interleave_pairs(const std::int16_t* rows, std::size_t row_stride,
                             std::size_t row_count, std::size_t n, std::int16_t* pairs) {
  std::size_t row = 0;
  for (; row + 2 <= row_count; row += 2) {
    const std::int16_t* first = rows + row * row_stride;
    const std::int16_t* second = first + row_stride;
    std::int16_t* out = pairs + row * n;
    for (std::size_t j = 0; j < n; ++j) {
      out[2 * j] = first[j];
      out[2 * j + 1] = second[j];
    }
  }
  if (row == row_count) return;
  const std::int16_t* last = rows + row * row_stride;
  std::int16_t* out = pairs + row * n;
  for (std::size_t j = 0; j < n; ++j) {
    out[2 * j] = last[j];
    out[2 * j + 1] = 0;
  }
}

}  // namespace lmgc::predict
