#pragma once

#include <cstdint>

#include "model/cuda/attention.cuh"
#include "model/cuda/tensor_core.cuh"
#include "model/formulas.h"

namespace lmgc::model::cuda {

/// Attention weights of 15 bits, as floats before they are rounded, as two codes each: eight bits
/// above, seven below. Four of each.
struct WeightCodes {
  std::uint32_t upper, lower;
};

[[nodiscard]] static inline __device__ WeightCodes weight_codes(const float* weights,
                                                                float inverse) {
  constexpr float kShift = 0x1.8p23F;  // its low 16 bits are zero: those of the sum are the integer
  std::uint32_t bits[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    bits[i] = static_cast<std::uint32_t>(bits_of(weights[i] * inverse + kShift));
  }
  const std::uint32_t first = __byte_perm(bits[0], bits[1], 0x5410);
  const std::uint32_t second = __byte_perm(bits[2], bits[3], 0x5410);
  return {__byte_perm(first >> 7, second >> 7, 0x6420),
          __byte_perm(first, second, 0x6420) & 0x7F7F7F7F};
}

[[nodiscard]] static inline __device__ float output_of(std::int32_t upper, std::int32_t lower,
                                                       double factor) {
  return static_cast<float>(static_cast<double>(std::int64_t{upper} * 128 + lower) * factor);
}

/// Value codes 8 g ... 8 g + 7 of a chunk, of this thread's keys of a tile.
struct ValueCodes {
  uint2 of[kKeys];
};

/// `from`: of the first key; zeros from key `end` on.
[[nodiscard]] static inline __device__ ValueCodes read_values(const std::int8_t* from, int depth,
                                                              int end) {
  ValueCodes codes;
#pragma unroll
  for (int i = 0; i < kKeys; ++i) {
    codes.of[i] = make_uint2(0, 0);
    if (i < end) codes.of[i] = *reinterpret_cast<const uint2*>(from + i * depth);
  }
  return codes;
}

/// Bytes [row, column] of four words, as [column, row] of the four `to`.
static inline __device__ void transpose_bytes(std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                              std::uint32_t d, std::uint32_t* to) {
  const std::uint32_t low_ab = __byte_perm(a, b, 0x5140), high_ab = __byte_perm(a, b, 0x7362);
  const std::uint32_t low_cd = __byte_perm(c, d, 0x5140), high_cd = __byte_perm(c, d, 0x7362);
  to[0] = __byte_perm(low_ab, low_cd, 0x5410), to[1] = __byte_perm(low_ab, low_cd, 0x7632);
  to[2] = __byte_perm(high_ab, high_cd, 0x5410), to[3] = __byte_perm(high_ab, high_cd, 0x7632);
}

/// Of weights' codes and values: fragments C, of the upper codes and of the lower. Of 8 queries or
/// fewer, rows 8 ... 15 of one fragment are the lower codes'.
template <int kQueries>
class WeightedValues {
  using Mine = Share<kQueries>;
  static constexpr int kHalves = Mine::kHalves;

 public:
  /// Adds a tile of keys: eight at a time, two fragments B of four a thread, of codes 8 g ... in
  /// one tile after another.
  __device__ void add(const typename Mine::Values& weights, const float (&inverse)[kHalves],
                      const ValueCodes& values) {
#pragma unroll
    for (int first = 0; first < kKeys; first += 8) {
      std::uint32_t upper[kHalves][2], lower[kHalves][2], codes[2][kTiles];  // four keys each
#pragma unroll
      for (int four = 0; four < 2; ++four) {
#pragma unroll
        for (int half = 0; half < kHalves; ++half) {
          const WeightCodes of_four =
              weight_codes(weights[half] + (first + 4 * four) % Mine::kCount, inverse[half]);
          const bool is_mine = Mine::kCount == kKeys || Mine::is_upper() == (first >= Mine::kCount);
          upper[half][four] = is_mine ? of_four.upper : 0;
          lower[half][four] = is_mine ? of_four.lower : 0;
        }
        const uint2* of = values.of + first + 4 * four;
        transpose_bytes(of[0].x, of[1].x, of[2].x, of[3].x, codes[four]);
        transpose_bytes(of[0].y, of[1].y, of[2].y, of[3].y, codes[four] + 4);
      }
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) {
        multiply(tile, upper, lower, codes[0][tile], codes[1][tile]);
      }
    }
  }

  /// Of column i of this thread's two in a tile. All threads of a warp call it.
  [[nodiscard]] __device__ std::int32_t above(int tile, int half, int i) const {
    return of_query(of_[0][tile][2 * half + i]);
  }
  [[nodiscard]] __device__ std::int32_t below(int tile, int half, int i) const {
    return of_query(kHalves == 2 ? of_[kHalves - 1][tile][2 * half + i] : of_[0][tile][2 + i]);
  }

 private:
  __device__ void multiply(int tile, const std::uint32_t (&upper)[kHalves][2],
                           const std::uint32_t (&lower)[kHalves][2], std::uint32_t b0,
                           std::uint32_t b1) {
    if constexpr (kHalves == 2) {
      multiply_add_unsigned(of_[0][tile], {upper[0][0], upper[1][0], upper[0][1], upper[1][1]}, b0,
                            b1);
      multiply_add_unsigned(of_[1][tile], {lower[0][0], lower[1][0], lower[0][1], lower[1][1]}, b0,
                            b1);
    } else {
      multiply_add_unsigned(of_[0][tile], {upper[0][0], lower[0][0], upper[0][1], lower[0][1]}, b0,
                            b1);
    }
  }

  [[nodiscard]] static __device__ std::int32_t of_query(std::int32_t sum) {
    return kQueries < 8 ? sum + __shfl_xor_sync(~0U, sum, 4 * kQueries) : sum;
  }

  std::int32_t of_[kHalves][kTiles][4] = {};
};

}  // namespace lmgc::model::cuda
