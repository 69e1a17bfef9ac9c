#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "predict/wide_loops.h"

/// Cholesky factors in doubles, with the same bits everywhere: every sum runs in the order of its
/// index, and only independent sums share an instruction.
namespace lmgc::predict {

/// Lower triangular L [size][size]. That of a leading block of the matrix is L's leading block.
class Factor {
 public:
  /// L L^T = `matrix` [size][size], symmetric (the upper triangle is not read). Where it is not
  /// positive, its diagonal counts as more.
  Factor(std::span<const double> matrix, std::size_t size);

  [[nodiscard]] std::size_t size() const { return size_; }
  /// Row i: its first i + 1 values.
  [[nodiscard]] std::span<const double> row(std::size_t i) const {
    return std::span(lower_).subspan(i * size_, i + 1);
  }

  /// `sides` [count][kStrip] become L^-1 sides, with L's leading block of `count` <= size.
  void solve_lower(std::span<double> sides, std::size_t count) const;
  /// The same with L^-T.
  void solve_upper(std::span<double> sides, std::size_t count) const;

 private:
  std::size_t size_;
  std::vector<double> lower_, upper_;  // L and its transpose, [size][size]
  std::vector<double> inverse_;        // [size] 1 / diagonal
};

}  // namespace lmgc::predict
