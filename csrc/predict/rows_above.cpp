#include "predict/rows_above.h"

#include <algorithm>
#include <array>

#include "predict/grid.h"
#include "predict/row_kernels.h"

namespace lmgc::predict {
namespace {

/// Rows whose sizes differ by more octaves are as good as unrelated.
constexpr int kMostOctaves = 40;

}  // namespace

RowsAbove::RowsAbove(const RowWeights& weights, std::size_t columns)
    : weights_(weights), columns_(columns), kept_(weights.weights.size() * columns) {}

std::size_t RowsAbove::place(std::size_t row) const {
  return row % weights_.weights.size() * columns_;
}

void RowsAbove::predict(float* predictions) const {
  const std::size_t above = std::min(weights_.weights.size(), next_);
  std::array<const float*, kMaxRowsAbove> rows{};
  std::array<float, kMaxRowsAbove> factors{};
  for (std::size_t k = 0; k < above; ++k) {
    const std::size_t row = next_ - 1 - k;
    const int octaves = std::clamp(weights_.exponents[next_] - weights_.exponents[row],
                                   -kMostOctaves, kMostOctaves);
    rows[k] = kept_.data() + place(row);
    factors[k] =
        static_cast<float>(weights_.weights[k][next_]) * power_of_two(octaves - kAboveBits);
  }
  row_kernels().weighted_sum(rows.data(), factors.data(), above, columns_, predictions);
}

void RowsAbove::learn(const float* values) {
  row_kernels().keep_small(values, columns_, kept_.data() + place(next_));
  ++next_;
}

}  // namespace lmgc::predict
