#include <immintrin.h>

#include <algorithm>

#include "model/row_loops.h"

/// AVX2: codes as int16 in vpmaddwd, which sums two products into an int32 without saturation.
namespace lmgc::model {
namespace {

constexpr std::int64_t kTileRows = 6;
/// Rows up to which expanding a panel does not pay.
constexpr std::int64_t kDirectRows = 3;
/// Inner indices of an expanded panel: 24 KiB of the first-level cache.
constexpr std::int64_t kExpandedDepth = 768;

bool supported() { return __builtin_cpu_supports("avx2") != 0; }

void prepare(const std::int8_t* codes, std::int64_t count, void* prepared) {
  auto* out = static_cast<std::int16_t*>(prepared);
  for (std::int64_t i = 0; i < count; ++i) out[i] = codes[i];
}

__m256i load(const void* at) { return _mm256_loadu_si256(static_cast<const __m256i*>(at)); }

void store(void* at, __m256i x) { _mm256_storeu_si256(static_cast<__m256i*>(at), x); }

__m256i load_as_int16(const std::int8_t* at) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

/// Lanes 0, 2, 4, 6 of `low`, then of `high`; or 1, 3, 5, 7.
template <int kOdd>
__m256i every_second(__m256i low, __m256i high) {
  constexpr int kPick = kOdd != 0 ? 0xDD : 0x88;
  const __m256 mixed =
      _mm256_shuffle_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), kPick);
  return _mm256_permute4x64_epi64(_mm256_castps_si256(mixed), 0xD8);
}

/// A panel [depth / 4][16][4] of int8 as [depth / 2][16][2] of int16.
void expand(const std::int8_t* panel, std::int64_t depth, std::int16_t* out) {
  for (std::int64_t inner = 0; inner < depth; inner += kPanelDepth) {
    for (int half = 0; half < 2; ++half) {
      const __m256i low = load_as_int16(panel + half * 32);
      const __m256i high = load_as_int16(panel + half * 32 + 16);
      store(out + half * 16, every_second<0>(low, high));
      store(out + half * 16 + 32, every_second<1>(low, high));
    }
    panel += kPanelColumns * kPanelDepth;
    out += kPanelColumns * kPanelDepth;
  }
}

template <int kRows>
void expanded_tile(const std::int16_t* left, std::int64_t left_stride, const std::int16_t* panel,
                   std::int64_t depth, bool add, std::int32_t* out, std::int64_t out_stride) {
  __m256i low[kRows];
  __m256i high[kRows];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    low[row] = add ? load(out + row * out_stride) : _mm256_setzero_si256();
    high[row] = add ? load(out + row * out_stride + 8) : _mm256_setzero_si256();
  }
  for (std::int64_t inner = 0; inner < depth; inner += 2) {
    const __m256i right_low = load(panel);
    const __m256i right_high = load(panel + 16);
    panel += 2 * kPanelColumns;
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const __m256i pair = _mm256_castps_si256(
          _mm256_broadcast_ss(reinterpret_cast<const float*>(left + row * left_stride + inner)));
      low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(pair, right_low));
      high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(pair, right_high));
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    store(out + row * out_stride, low[row]);
    store(out + row * out_stride + 8, high[row]);
  }
}

template <int kRows>
void direct_tile(const std::int16_t* left, std::int64_t left_stride, const std::int8_t* panel,
                 std::int64_t depth, std::int32_t* out, std::int64_t out_stride) {
  __m256i sums[kRows][4];
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    for (int quarter = 0; quarter < 4; ++quarter) sums[row][quarter] = _mm256_setzero_si256();
  }
  for (std::int64_t inner = 0; inner < depth; inner += kPanelDepth) {
    __m256i quads[kRows];
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      quads[row] = _mm256_castpd_si256(
          _mm256_broadcast_sd(reinterpret_cast<const double*>(left + row * left_stride + inner)));
    }
#pragma GCC unroll 8
    for (int quarter = 0; quarter < 4; ++quarter) {
      const __m256i right = load_as_int16(panel + quarter * 16);
#pragma GCC unroll 8
      for (int row = 0; row < kRows; ++row) {
        sums[row][quarter] =
            _mm256_add_epi32(sums[row][quarter], _mm256_madd_epi16(quads[row], right));
      }
    }
    panel += kPanelColumns * kPanelDepth;
  }
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row) {
    for (int half = 0; half < 2; ++half) {
      const __m256i mixed = _mm256_hadd_epi32(sums[row][2 * half], sums[row][2 * half + 1]);
      store(out + row * out_stride + half * 8, _mm256_permute4x64_epi64(mixed, 0xD8));
    }
  }
}

using ExpandedTile = decltype(&expanded_tile<1>);
using DirectTile = decltype(&direct_tile<1>);
constexpr ExpandedTile kExpandedTiles[] = {expanded_tile<1>, expanded_tile<2>, expanded_tile<3>,
                                           expanded_tile<4>, expanded_tile<5>, expanded_tile<6>};
constexpr DirectTile kDirectTiles[] = {direct_tile<1>, direct_tile<2>, direct_tile<3>};

void multiply(const Product& p) {
  const auto* left = static_cast<const std::int16_t*>(p.left);
  if (p.rows == 0) return;
  alignas(64) std::int16_t expanded[kExpandedDepth * kPanelColumns];
  for (std::int64_t index = 0; index < p.panel_count; ++index) {
    const std::int8_t* panel = p.panels + index * p.panel_stride;
    std::int32_t* out = p.out + index * kPanelColumns;
    if (p.rows <= kDirectRows) {
      kDirectTiles[p.rows - 1](left, p.left_stride, panel, p.depth, out, p.out_stride);
      continue;
    }
    for (std::int64_t start = 0; start == 0 || start < p.depth; start += kExpandedDepth) {
      const std::int64_t depth = std::min(kExpandedDepth, p.depth - start);
      expand(panel + start * kPanelColumns, depth, expanded);
      for (std::int64_t row = 0; row < p.rows; row += kTileRows) {
        const std::int64_t tile_rows = std::min(kTileRows, p.rows - row);
        kExpandedTiles[tile_rows - 1](left + row * p.left_stride + start, p.left_stride, expanded,
                                      depth, start > 0, out + row * p.out_stride, p.out_stride);
      }
    }
  }
}

}  // namespace

const Kernels kAvx2Kernels = {
    .name = "avx2",
    .supported = supported,
    .prepared_bytes = 2,
    .prepare = prepare,
    .multiply = multiply,
    .multiply_wide = multiply,
    .normalize = normalize_row,
    .layer_norm = layer_norm_row,
    .normalize_head = normalize_head_row,
    .quantize = quantize_row,
    .dequantize = dequantize_row,
    .accumulate = accumulate_row,
    .add = add_row,
    .rotate = rotate_row,
    .gate = gate_row,
    .gelu = gelu_row,
    .attend = attend_row,
    .score = score_row,
};

}  // namespace lmgc::model
