#include "predict/samples.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "predict/wide_loops.h"

namespace lmgc::predict {

std::vector<std::int16_t> left_of(const Samples& samples, std::span<const std::uint16_t> chosen) {
  const std::size_t width = 2 * samples.pairs;
  std::vector<std::int16_t> left(chosen.size() * width);
  for (std::size_t p = 0; p < samples.pairs; ++p) {
    const std::int16_t* from = samples.codes.data() + p * samples.n * 2;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      std::memcpy(left.data() + i * width + 2 * p, from + 2 * std::size_t{chosen[i]}, 4);
    }
  }
  return left;
}

void add_products(const Samples& samples, std::span<const std::int16_t> left,
                  std::span<const std::uint16_t> chosen, std::span<float> covariance,
                  std::size_t out_stride, ProductScratch& scratch) {
  if (samples.pairs == 0) return;
  const std::size_t across = chosen.size(), width = 2 * samples.pairs;
  scratch.gathered.resize(std::max(scratch.gathered.size(), width * across));
  for (std::size_t p = 0; p < samples.pairs; ++p) {
    const std::int16_t* from = samples.codes.data() + p * samples.n * 2;
    std::int16_t* to = scratch.gathered.data() + p * across * 2;
    for (std::size_t i = 0; i < across; ++i) {
      std::memcpy(to + 2 * i, from + 2 * std::size_t{chosen[i]}, 4);
    }
  }
  add_product({.m = left.size() / width,
               .n = across,
               .pairs = samples.pairs,
               .a_stride = width,
               .b_stride = 2 * across,
               .c_stride = across},
              left.data(), samples.weight, covariance, out_stride, scratch);
}

void add_product(const GemmShape& shape, const std::int16_t* left, float weight,
                 std::span<float> covariance, std::size_t out_stride, ProductScratch& scratch) {
  scratch.sums.resize(std::max(scratch.sums.size(), shape.m * shape.c_stride));
  gemm_kernels().multiply(shape, left, scratch.gathered.data(), scratch.sums.data(), false);
  for (std::size_t i = 0; i < shape.m; ++i) {
    const std::int32_t* sums = scratch.sums.data() + i * shape.c_stride;
    float* out = covariance.data() + i * out_stride;
    for (std::size_t j = 0; j < shape.n; ++j) out[j] += weight * static_cast<float>(sums[j]);
  }
}

std::vector<std::uint16_t> choose_pivots(std::span<const Samples* const> sets,
                                         std::span<const float> power, float ridge,
                                         std::size_t count) {
  const std::size_t n = power.size();
  std::vector<float> left(n), factor(count * n);
  for (std::size_t j = 0; j < n; ++j) left[j] = power[j] + ridge;
  std::vector<std::uint16_t> chosen;
  std::vector<std::int32_t> sums(n);
  for (std::size_t k = 0; k < count; ++k) {
    const auto pivot =
        static_cast<std::size_t>(std::max_element(left.begin(), left.end()) - left.begin());
    chosen.push_back(static_cast<std::uint16_t>(pivot));
    float* row = factor.data() + k * n;
    for (const Samples* samples : sets) {
      const auto codes = left_of(*samples, std::span(chosen).last(1));
      gemm_kernels().multiply({.m = 1,
                               .n = n,
                               .pairs = samples->pairs,
                               .a_stride = codes.size(),
                               .b_stride = 2 * n,
                               .c_stride = n},
                              codes.data(), samples->codes.data(), sums.data(), false);
      for (std::size_t j = 0; j < n; ++j) {
        row[j] += samples->weight * static_cast<float>(sums[j]);
      }
    }
    row[pivot] = power[pivot] + ridge;
    for (std::size_t q = 0; q < k; ++q) {
      const float* earlier = factor.data() + q * n;
      wide_loops().subtract(earlier[pivot], earlier, n, row);
    }
    const float inverse = 1.0F / std::sqrt(std::max(left[pivot], 0x1p-100F));
    for (std::size_t j = 0; j < n; ++j) {
      row[j] *= inverse;
      // What is chosen is -1, what is not is positive: nothing is chosen twice.
      const float rest = std::max(left[j] - row[j] * row[j], 0x1p-120F);
      left[j] = left[j] < 0 ? -1.0F : rest;
    }
    left[pivot] = -1.0F;
  }
  return chosen;
}

}  // namespace lmgc::predict
