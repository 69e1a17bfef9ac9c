#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "block.h"

/// The words of CUDA C++ that the model's kernels use, for a compiler of plain C++; files of
/// kernels are compiled with this one in front, as nvcc does with its own. model/cuda/ beside it
/// has what the kernels include: launches, and tensor cores.
#define __host__
#define __device__
#define __global__
#define __launch_bounds__(...)
#define __forceinline__ inline

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  dim3(unsigned x_, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  unsigned x, y, z;
};
struct alignas(4) char4 {
  signed char x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

inline uint3 threadIdx, blockIdx, gridDim;

[[nodiscard]] inline char4 make_char4(signed char x, signed char y, signed char z, signed char w) {
  return {x, y, z, w};
}
[[nodiscard]] inline float2 make_float2(float x, float y) { return {x, y}; }
[[nodiscard]] inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
[[nodiscard]] inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
[[nodiscard]] inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}

/// Of the bytes of x, then y, those that the selector's nibbles name.
[[nodiscard]] inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const std::uint64_t bytes = std::uint64_t{y} << 32 | x;
  unsigned result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned byte = selector >> 4 * i & 7;
    result |= static_cast<unsigned>(bytes >> 8 * byte & 255) << 8 * i;
  }
  return result;
}

using std::max;
using std::min;

inline void __syncthreads() { lmgc::cuda_on_host::wait_for_block(); }

inline void __syncwarp() {
  struct {
  } nothing;
  lmgc::cuda_on_host::with_warp(nothing, [](const auto&) {});
}

/// What thread `from` of the warp gives.
template <typename T>
[[nodiscard]] T shuffled(T x, unsigned from) {
  struct Part {
    T x, result;
    unsigned from;
  } part{x, {}, from};
  lmgc::cuda_on_host::with_warp(part, [](const auto& part_of) {
    for (unsigned lane = 0; lane < 32; ++lane) part_of(lane).result = part_of(part_of(lane).from).x;
  });
  return part.result;
}

template <typename T>
[[nodiscard]] T __shfl_xor_sync(unsigned, T x, int mask) {
  return shuffled(x, lmgc::cuda_on_host::running().thread % 32 ^ static_cast<unsigned>(mask));
}
template <typename T>
[[nodiscard]] T __shfl_up_sync(unsigned, T x, unsigned by) {
  const unsigned lane = lmgc::cuda_on_host::running().thread % 32;
  return shuffled(x, lane < by ? lane : lane - by);
}
