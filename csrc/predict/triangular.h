#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "predict/wide_loops.h"

/// Cholesky factors with the same bits everywhere: every sum runs in one defined order, and only
/// independent sums share an instruction. Floats suffice: what they round is far below any ridge.
namespace lmgc::predict {

/// Lower triangular L [size][size] with L L^T = a matrix.
class Factor {
 public:
  /// `matrix` [size][size] is symmetric (the upper triangle is not read). Where it is not positive,
  /// its diagonal counts as more.
  Factor(std::span<const float> matrix, std::size_t size);

  /// Row i: its first i + 1 values.
  [[nodiscard]] std::span<const float> row(std::size_t i) const {
    return std::span(lower_).subspan(i * size_, i + 1);
  }

  /// `sides` [size][kStrip] become L^-1 sides.
  void solve_lower(std::span<float> sides) const;
  /// `sides` [count][kStrip] become L^-T sides, with L's leading block of `count` <= size.
  void solve_upper(std::span<float> sides, std::size_t count) const;

 private:
  std::size_t size_;
  std::vector<float> lower_, upper_;  // L and its transpose, [size][size]
  std::vector<float> inverse_;        // [size] 1 / diagonal
};

}  // namespace lmgc::predict
