#pragma once

#include <cstdint>

#include "model/cuda/launch.h"
#include "model/formulas.h"

/// What follows a product in the same kernel. A thread has sums of fours of columns that lie side
/// by side.
namespace lmgc::model::cuda {

/// Sums of four columns, the scales of the columns and of their row, and the columns' biases.
template <bool kBiased>
struct Sums {
  std::int32_t a, b, c, d;
  float4 scales;
  float row_scale;
  float4 biases;

  [[nodiscard]] __device__ float4 added_to(float4 x) const {
    return make_float4(biased(x.x + value_of(a, scales.x, row_scale), biases.x),
                       biased(x.y + value_of(b, scales.y, row_scale), biases.y),
                       biased(x.z + value_of(c, scales.z, row_scale), biases.z),
                       biased(x.w + value_of(d, scales.w, row_scale), biases.w));
  }
  [[nodiscard]] __device__ float4 values() const {
    return make_float4(biased(value_of(a, scales.x, row_scale), biases.x),
                       biased(value_of(b, scales.y, row_scale), biases.y),
                       biased(value_of(c, scales.z, row_scale), biases.z),
                       biased(value_of(d, scales.w, row_scale), biases.w));
  }

 private:
  [[nodiscard]] static __device__ float biased(float x, float bias) {
    return kBiased ? x + bias : x;
  }
};

/// Each has `result`, of the sums of four columns and, if it kReads, of what was there, and
/// `store`, which puts that where it belongs, `column` being the first of the four.
struct Store {
  static constexpr bool kReads = false;
  Floats out;
  template <bool kBiased>
  [[nodiscard]] __device__ float4 result(float4, const Sums<kBiased>& sums) const {
    return sums.values();
  }
  __device__ void store(int row, int column, float4 x) const {
    *reinterpret_cast<float4*>(out.values + row * out.stride + column) = x;
  }
};

struct Accumulate : Store {
  static constexpr bool kReads = true;
  [[nodiscard]] __device__ float4 before(int row, int column) const {
    return *reinterpret_cast<const float4*>(out.values + row * out.stride + column);
  }
  template <bool kBiased>
  [[nodiscard]] __device__ float4 result(float4 before, const Sums<kBiased>& sums) const {
    return sums.added_to(before);
  }
};

struct Gelu : Store {
  template <bool kBiased>
  [[nodiscard]] __device__ float4 result(float4, const Sums<kBiased>& sums) const {
    const float4 x = sums.values();
    return make_float4(gelu(x.x), gelu(x.y), gelu(x.z), gelu(x.w));
  }
};

/// Columns are two gates, their two ups, by turns.
struct Gate {
  static constexpr bool kReads = false;
  Floats out;
  template <bool kBiased>
  [[nodiscard]] __device__ float2 result(float4, const Sums<kBiased>& sums) const {
    const float4 x = sums.values();
    return make_float2(silu(x.x) * x.z, silu(x.y) * x.w);
  }
  __device__ void store(int row, int column, float2 x) const {
    *reinterpret_cast<float2*>(out.values + row * out.stride + column / 2) = x;
  }
};

struct Score {
  static constexpr bool kReads = false;
  std::int32_t* out;
  std::int64_t columns;
  struct Scores {
    std::int32_t of[4];
  };
  template <bool kBiased>
  [[nodiscard]] __device__ Scores result(float4, const Sums<kBiased>& s) const {
    return {{score_of(s.a, s.scales.x, s.row_scale), score_of(s.b, s.scales.y, s.row_scale),
             score_of(s.c, s.scales.z, s.row_scale), score_of(s.d, s.scales.w, s.row_scale)}};
  }
  __device__ void store(int row, int column, const Scores& scores) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (column + i < columns) out[row * columns + column + i] = scores.of[i];
    }
  }
};

/// Scales and biases of columns from some on; biases may be null.
struct ColumnFactors {
  const float* scales;
  const float* biases;
};

/// Of rows `row` and row + 8, as many of them as there are.
struct RowScales {
  float of[2];
};

[[nodiscard]] static inline __device__ RowScales row_scales(const Left& left, int row) {
  return {{row < left.rows ? left.scales[row] : 0, row + 8 < left.rows ? left.scales[row + 8] : 0}};
}

/// What becomes of the sums of 2 * kPairs fragments C side by side, whose first fours are those of
/// `row`, row + 8 and of `column`; `factors` from that column on.
template <bool kBiased, int kPairs, typename Epilogue>
__device__ __forceinline__ void finish(const Left& left, const Right& right,
                                       const Epilogue& epilogue, int row, int column,
                                       const RowScales& scales, const ColumnFactors& factors,
                                       const std::int32_t (*sums)[4]) {
  // Loads, then arithmetic, then stores: compilers take a store for a change of what they load, and
  // arithmetic under a condition waits where it could be mixed.
  const auto is_inside = [&](int half, int pair) {
    return row + 8 * half < left.rows && column + 16 * pair < right.columns;
  };
  float4 column_scales[kPairs], biases[kPairs] = {};
  float4 before[2][kPairs] = {};
#pragma unroll
  for (int pair = 0; pair < kPairs; ++pair) {
    column_scales[pair] = *reinterpret_cast<const float4*>(factors.scales + 16 * pair);
    if constexpr (kBiased) {
      biases[pair] = *reinterpret_cast<const float4*>(factors.biases + 16 * pair);
    }
    if constexpr (Epilogue::kReads) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        if (is_inside(half, pair)) {
          before[half][pair] = epilogue.before(row + 8 * half, column + 16 * pair);
        }
      }
    }
  }
  const auto result = [&](int half, int pair) {
    const std::int32_t *first = sums[2 * pair] + 2 * half, *second = sums[2 * pair + 1] + 2 * half;
    return epilogue.result(before[half][pair],
                           Sums<kBiased>{first[0], first[1], second[0], second[1],
                                         column_scales[pair], scales.of[half], biases[pair]});
  };
  decltype(result(0, 0)) results[2][kPairs];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int pair = 0; pair < kPairs; ++pair) results[half][pair] = result(half, pair);
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int pair = 0; pair < kPairs; ++pair) {
      if (is_inside(half, pair)) {
        epilogue.store(row + 8 * half, column + 16 * pair, results[half][pair]);
      }
    }
  }
}

}  // namespace lmgc::model::cuda
