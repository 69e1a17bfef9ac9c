#include <immintrin.h>

#include "predict/gemm_blocks.h"

/// AVX2: vpmaddwd multiplies eight pairs and sums each in an int32, with room for both products.
namespace lmgc::predict {
namespace {

bool supported() { return __builtin_cpu_supports("avx2") != 0; }

/// 12 sums, 2 vectors of b, one of a and one product: all 16 registers.
struct Avx2Tiles {
  static constexpr std::size_t kLanes = 8;
  static constexpr std::size_t kMaxRows = 6;

  template <std::size_t kRows, std::size_t kVectors>
  static void multiply(std::size_t pairs, const std::int16_t* a, std::size_t a_stride,
                       const std::int16_t* b, std::size_t b_stride, std::int32_t* c,
                       std::size_t c_stride, bool add) {
    __m256i sums[kRows][kVectors];
#pragma GCC unroll 8
    for (std::size_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kVectors; ++v) {
        const std::int32_t* at = c + row * c_stride + v * kLanes;
        sums[row][v] =
            add ? _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)) : _mm256_setzero_si256();
      }
    }
    for (std::size_t p = 0; p < pairs; ++p) {
      __m256i right[kVectors];
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kVectors; ++v) {
        right[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + 2 * v * kLanes));
      }
#pragma GCC unroll 8
      for (std::size_t row = 0; row < kRows; ++row) {
        const __m256i left = _mm256_set1_epi32(pair_at(a + row * a_stride));
#pragma GCC unroll 2
        for (std::size_t v = 0; v < kVectors; ++v) {
          sums[row][v] = _mm256_add_epi32(sums[row][v], _mm256_madd_epi16(left, right[v]));
        }
      }
      a += 2;
      b += b_stride;
    }
#pragma GCC unroll 8
    for (std::size_t row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
      for (std::size_t v = 0; v < kVectors; ++v) {
        std::int32_t* at = c + row * c_stride + v * kLanes;
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), sums[row][v]);
      }
    }
  }
};

}  // namespace

const GemmKernels kAvx2Gemm{"avx2", supported, GemmBlocks<Avx2Tiles>::multiply};

}  // namespace lmgc::predict
