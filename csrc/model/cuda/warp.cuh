#pragma once

#include <cstdint>

namespace lmgc::model::cuda {

inline constexpr unsigned kWarp = 32;

[[nodiscard]] static inline __device__ unsigned lane_of_warp() { return threadIdx.x % kWarp; }

/// Of the `kThreads` neighbours that a thread belongs to, a power of two; all get it.
template <unsigned kThreads = kWarp>
[[nodiscard]] static inline __device__ std::int32_t warp_max(std::int32_t x) {
#pragma unroll
  for (unsigned step = kThreads / 2; step > 0; step /= 2) {
    x = max(x, __shfl_xor_sync(~0U, x, static_cast<int>(step)));
  }
  return x;
}

template <unsigned kThreads = kWarp, typename Integer>
[[nodiscard]] static inline __device__ Integer warp_sum(Integer x) {
#pragma unroll
  for (unsigned step = kThreads / 2; step > 0; step /= 2) {
    x += __shfl_xor_sync(~0U, x, static_cast<int>(step));
  }
  return x;
}

}  // namespace lmgc::model::cuda
