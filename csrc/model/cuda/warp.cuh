#pragma once

#include <cstdint>

namespace lmgc::model::cuda {

inline constexpr unsigned kWarp = 32;

[[nodiscard]] static inline __device__ unsigned lane_of_warp() { return threadIdx.x % kWarp; }

/// Of the `kThreads` neighbours that a thread belongs to, a power of two; all get it.
template <unsigned kThreads = kWarp, typename Integer>
[[nodiscard]] static inline __device__ Integer warp_max(Integer x) {
#pragma unroll
  for (unsigned step = kThreads / 2; step > 0; step /= 2) {
    const Integer other = __shfl_xor_sync(~0U, x, static_cast<int>(step));
    x = other > x ? other : x;
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

/// Of the threads of a warp before this one.
template <typename Integer>
[[nodiscard]] static inline __device__ Integer warp_sum_before(Integer x) {
  Integer sum = x;
#pragma unroll
  for (unsigned step = 1; step < kWarp; step *= 2) {
    const Integer other = __shfl_up_sync(~0U, sum, step);
    if (lane_of_warp() >= step) sum += other;
  }
  return sum - x;
}

}  // namespace lmgc::model::cuda
