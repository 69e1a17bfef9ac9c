#include <immintrin.h>

#include <algorithm>

#include "model/row_loops.h"

/// AVX-512 VNNI: vpdpbusd sums four products of an unsigned and a signed byte into an int32. Signed
/// codes go in as code + 128, and 128 times the column's sum comes off again.
namespace lmgc::model {
namespace {

constexpr int kTileRows = 12;
constexpr int kWideTileRows = kTileRows / 2;  // a high and a low limb each
constexpr int kLimbBits = 7;
constexpr std::int32_t kOffset = 128;
/// Memory is asked for panels at least as long before they are multiplied: where rows are few, it
/// is what takes the time.
constexpr std::int64_t kAheadBytes = 8192;

bool supported() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0 &&
         __builtin_cpu_supports("avx512vnni") != 0;
}

void prepare(const std::int8_t* codes, std::int64_t count, void* prepared) {
  auto* out = static_cast<std::uint8_t*>(prepared);
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<std::uint8_t>(codes[i] + kOffset);
}

/// What kOffset adds to the dot products of a panel's columns.
__m512i offsets_of(const std::int32_t* column_sums) {
  return _mm512_mullo_epi32(_mm512_loadu_si512(column_sums), _mm512_set1_epi32(kOffset));
}

/// The tile's dot products, minus each panel's `offsets`. Asks for the panels at `next`, unless
/// null.
template <int kRows, int kPanels>
void tile(const std::uint8_t* left, std::int64_t left_stride, const std::int8_t* panels,
          std::int64_t panel_stride, const std::int8_t* next, std::int64_t depth,
          const __m512i* offsets, std::int32_t* out, std::int64_t out_stride) {
  __m512i sums[kRows][kPanels];
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int panel = 0; panel < kPanels; ++panel) {
      sums[row][panel] = _mm512_sub_epi32(_mm512_setzero_si512(), offsets[panel]);
    }
  }
  for (std::int64_t inner = 0; inner < depth; inner += kPanelDepth) {
    __m512i right[kPanels];
#pragma GCC unroll 2
    for (int panel = 0; panel < kPanels; ++panel) {
      const std::int64_t at = panel * panel_stride + inner * kPanelColumns;
      right[panel] = _mm512_loadu_si512(panels + at);
      if (next != nullptr) _mm_prefetch(next + at, _MM_HINT_T1);
    }
#pragma GCC unroll 16
    for (int row = 0; row < kRows; ++row) {
      int quad = 0;
      __builtin_memcpy(&quad, left + row * left_stride + inner, sizeof(quad));
      const __m512i quads = _mm512_set1_epi32(quad);
#pragma GCC unroll 2
      for (int panel = 0; panel < kPanels; ++panel) {
        sums[row][panel] = _mm512_dpbusd_epi32(sums[row][panel], quads, right[panel]);
      }
    }
  }
#pragma GCC unroll 16
  for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 2
    for (int panel = 0; panel < kPanels; ++panel) {
      _mm512_storeu_si512(out + row * out_stride + panel * kPanelColumns, sums[row][panel]);
    }
  }
}

template <int kPanels>
void any_tile(std::int64_t rows, const std::uint8_t* left, std::int64_t left_stride,
              const std::int8_t* panels, std::int64_t panel_stride, const std::int8_t* next,
              std::int64_t depth, const __m512i* offsets, std::int32_t* out,
              std::int64_t out_stride) {
  using Tile = decltype(&tile<1, kPanels>);
  constexpr Tile kTiles[kTileRows] = {tile<1, kPanels>,  tile<2, kPanels>,  tile<3, kPanels>,
                                      tile<4, kPanels>,  tile<5, kPanels>,  tile<6, kPanels>,
                                      tile<7, kPanels>,  tile<8, kPanels>,  tile<9, kPanels>,
                                      tile<10, kPanels>, tile<11, kPanels>, tile<12, kPanels>};
  kTiles[rows - 1](left, left_stride, panels, panel_stride, next, depth, offsets, out, out_stride);
}

void multiply(const Product& p) {
  const auto* left = static_cast<const std::uint8_t*>(p.left);
  const std::int64_t ahead = round_up(kAheadBytes, 2 * p.panel_stride);
  for (std::int64_t panel = 0; panel < p.panel_count; panel += 2) {
    const bool pair = panel + 1 < p.panel_count;
    const std::int8_t* panels = p.panels + panel * p.panel_stride;
    const std::int8_t* next = panels + ahead;
    const std::int32_t* column_sums = p.column_sums + panel * kPanelColumns;
    const __m512i offsets[2] = {
        offsets_of(column_sums),
        pair ? offsets_of(column_sums + kPanelColumns) : _mm512_setzero_si512()};
    for (std::int64_t row = 0; row < p.rows; row += kTileRows) {
      const std::int64_t rows = std::min<std::int64_t>(kTileRows, p.rows - row);
      (pair ? any_tile<2>
            : any_tile<1>)(rows, left + row * p.left_stride, p.left_stride, panels, p.panel_stride,
                           row == 0 ? next : nullptr, p.depth, offsets,
                           p.out + row * p.out_stride + panel * kPanelColumns, p.out_stride);
    }
  }
}

/// Rows of int16 as two rows of limbs each: value = high * 2^7 + low.
void split(const std::int16_t* left, std::int64_t left_stride, std::int64_t rows,
           std::int64_t depth, std::uint8_t* limbs) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int16_t* values = left + row * left_stride;
    std::uint8_t* high = limbs + 2 * row * kWeightBlock;
    std::uint8_t* low = high + kWeightBlock;
    for (std::int64_t i = 0; i < depth; ++i) {
      high[i] = static_cast<std::uint8_t>(values[i] >> kLimbBits);
      low[i] = static_cast<std::uint8_t>(values[i] & ((1 << kLimbBits) - 1));
    }
  }
}

void multiply_wide(const Product& p) {
  const auto* left = static_cast<const std::int16_t*>(p.left);
  const __m512i no_offsets[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
  alignas(64) std::uint8_t limbs[kTileRows * kWeightBlock];
  alignas(64) std::int32_t sums[kTileRows * 2 * kPanelColumns];
  for (std::int64_t row = 0; row < p.rows; row += kWideTileRows) {
    const std::int64_t rows = std::min<std::int64_t>(kWideTileRows, p.rows - row);
    split(left + row * p.left_stride, p.left_stride, rows, p.depth, limbs);
    for (std::int64_t panel = 0; panel < p.panel_count; panel += 2) {
      const std::int64_t columns = std::min<std::int64_t>(2, p.panel_count - panel) * kPanelColumns;
      const std::int8_t* panels = p.panels + panel * p.panel_stride;
      (columns > kPanelColumns ? any_tile<2>
                               : any_tile<1>)(2 * rows, limbs, kWeightBlock, panels, p.panel_stride,
                                              row == 0 ? panels + 2 * p.panel_stride : nullptr,
                                              p.depth, no_offsets, sums, 2 * kPanelColumns);
      for (std::int64_t i = 0; i < rows; ++i) {
        const std::int32_t* high = sums + 2 * i * 2 * kPanelColumns;
        const std::int32_t* low = high + 2 * kPanelColumns;
        std::int32_t* out = p.out + (row + i) * p.out_stride + panel * kPanelColumns;
        for (std::int64_t j = 0; j < columns; ++j) out[j] = (high[j] << kLimbBits) + low[j];
      }
    }
  }
}

}  // namespace

const Kernels kAvx512VnniKernels = {
    .name = "avx512_vnni",
    .supported = supported,
    .prepared_bytes = 1,
    .prepare = prepare,
    .multiply = multiply,
    .multiply_wide = multiply_wide,
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
