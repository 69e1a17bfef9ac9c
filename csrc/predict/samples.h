#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "predict/gemm.h"

/// Sets of vectors as small integers, and exact sums of their products.
namespace lmgc::predict {

/// Vectors of n elements, two by two as GEMM's right side wants them: codes [pairs][n][2]. Each
/// adds `weight` times the product of its codes to a covariance.
struct Samples {
  std::size_t n = 0, pairs = 0;
  float weight = 1.0F;
  std::vector<std::int16_t> codes;

  Samples() = default;
  /// `count` vectors of zeros, and one more if that is odd.
  Samples(std::size_t elements, std::size_t count)
      : n(elements), pairs((count + 1) / 2), codes(2 * n * pairs) {}

  [[nodiscard]] std::int16_t& at(std::size_t sample, std::size_t element) {
    return codes[(sample / 2 * n + element) * 2 + sample % 2];
  }
};

/// Those elements alone, as GEMM's left side: [chosen][2 * pairs].
[[nodiscard]] std::vector<std::int16_t> left_of(const Samples& samples,
                                                std::span<const std::uint16_t> chosen);

/// covariance [left's rows][out_stride] += weight * left * samples' `chosen` elements. `scratch` is
/// reused. Sums of code products must stay below 2^31.
struct ProductScratch {
  std::vector<std::int16_t> gathered;
  std::vector<std::int32_t> sums;
};
void add_products(const Samples& samples, std::span<const std::int16_t> left,
                  std::span<const std::uint16_t> chosen, std::span<float> covariance,
                  std::size_t out_stride, ProductScratch& scratch);

/// The same with a right side that lies in scratch.gathered.
void add_product(const GemmShape& shape, const std::int16_t* left, float weight,
                 std::span<float> covariance, std::size_t out_stride, ProductScratch& scratch);

/// `count` elements, most uncertain given those before first (greedily pivoted Cholesky) for the
/// covariance of all `sets` with `power` [n] as its diagonal and `ridge` added to that.
/// Requires count <= n.
[[nodiscard]] std::vector<std::uint16_t> choose_pivots(std::span<const Samples* const> sets,
                                                       std::span<const float> power, float ridge,
                                                       std::size_t count);

}  // namespace lmgc::predict
