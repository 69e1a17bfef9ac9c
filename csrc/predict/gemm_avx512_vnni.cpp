#include <immintrin.h>

#include "predict/gemm_blocks.h"

/// AVX-512 VNNI: vpdpwssd multiplies 16 pairs and adds each to an int32, which wraps.
namespace lmgc::predict {
namespace {

bool supported() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vnni") != 0;
}

/// 24 sums, more than vpdpwssd's latency needs, so that b is read less often.
struct VnniTiles {
  static constexpr std::size_t kLanes = 16;
  static constexpr std::size_t kMaxRows = 12;

  template <std::size_t kRows, std::size_t kVectors>
  static void multiply(std::size_t pairs, const std::int16_t* a, std::size_t a_stride,
                       const std::int16_t* b, std::size_t b_stride, std::int32_t* c,
                       std::size_t c_stride, bool add) {
    __m512i sums[kRows][kVectors];
#pragma GCC unroll 16
    for (std::size_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kVectors; ++v) {
        const std::int32_t* at = c + row * c_stride + v * kLanes;
        sums[row][v] = add ? _mm512_loadu_si512(at) : _mm512_setzero_si512();
      }
    }
    for (std::size_t p = 0; p < pairs; ++p) {
      __m512i right[kVectors];
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kVectors; ++v) right[v] = _mm512_loadu_si512(b + 2 * v * kLanes);
#pragma GCC unroll 16
      for (std::size_t row = 0; row < kRows; ++row) {
        const __m512i left = _mm512_set1_epi32(pair_at(a + row * a_stride));
#pragma GCC unroll 2
        for (std::size_t v = 0; v < kVectors; ++v) {
          sums[row][v] = _mm512_dpwssd_epi32(sums[row][v], left, right[v]);
        }
      }
      a += 2;
      b += b_stride;
    }
#pragma GCC unroll 16
    for (std::size_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kVectors; ++v) {
        _mm512_storeu_si512(c + row * c_stride + v * kLanes, sums[row][v]);
      }
    }
  }
};

}  // namespace

const GemmKernels kAvx512VnniGemm{"avx512_vnni", supported, GemmBlocks<VnniTiles>::multiply};

}  // namespace lmgc::predict
