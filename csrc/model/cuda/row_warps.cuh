#pragma once

#include <cstdint>

#include "model/cuda/warp.cuh"
#include "model/formulas.h"

/// For kernels in which a warp takes a row.
namespace lmgc::model::cuda {

inline constexpr unsigned kRowWarps = 8;  // of a block
inline constexpr unsigned kRowThreads = kRowWarps * kWarp;

[[nodiscard]] inline unsigned blocks_of(std::int64_t warps) {
  return static_cast<unsigned>((warps + kRowWarps - 1) / kRowWarps);
}

[[nodiscard]] static inline __device__ std::int64_t warp_index() {
  return std::int64_t{blockIdx.x} * kRowWarps + threadIdx.x / kWarp;
}

[[nodiscard]] static inline __device__ std::int32_t largest_bits(float4 x) {
  return max(max(magnitude_bits(x.x), magnitude_bits(x.y)),
             max(magnitude_bits(x.z), magnitude_bits(x.w)));
}

[[nodiscard]] static inline __device__ std::int64_t square_of_code(float x, float inverse) {
  const std::int32_t code = round_to_int(x * inverse);
  return code * code;
}

[[nodiscard]] static inline __device__ std::int64_t squares_of_codes(float4 x, float inverse) {
  return square_of_code(x.x, inverse) + square_of_code(x.y, inverse) +
         square_of_code(x.z, inverse) + square_of_code(x.w, inverse);
}

/// By a norm's factor, and its gains.
[[nodiscard]] static inline __device__ float4 scaled(float4 x, float factor, float4 gains) {
  return make_float4(x.x * factor * gains.x, x.y * factor * gains.y, x.z * factor * gains.z,
                     x.w * factor * gains.w);
}

[[nodiscard]] static inline __device__ char4 codes_of(float4 x, float inverse) {
  return make_char4(static_cast<signed char>(round_to_int(x.x * inverse)),
                    static_cast<signed char>(round_to_int(x.y * inverse)),
                    static_cast<signed char>(round_to_int(x.z * inverse)),
                    static_cast<signed char>(round_to_int(x.w * inverse)));
}

}  // namespace lmgc::model::cuda
