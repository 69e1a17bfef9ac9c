#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "model/kernels.h"

/// AMX: a tile of 16 rows times one of 16 columns, 64 inner indices at once. A panel's layout is
/// that of a tile on the right. All else is AVX-512's.
namespace lmgc::model {
namespace {

constexpr std::int64_t kTileRows = 16;
constexpr std::int64_t kTileDepth = 64;
constexpr std::int64_t kTileBytes = kTileDepth * kPanelColumns;

/// Linux lends the tiles' registers to processes that ask for them.
bool may_use_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool supported() {
  constexpr unsigned kTiles = 1U << 24, kInt8 = 1U << 25;
  unsigned a = 0, b = 0, c = 0, d = 0;
  return kAvx512VnniKernels.supported() && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
         (d & kTiles) != 0 && (d & kInt8) != 0 && may_use_tiles();
}

void prepare(const std::int8_t* codes, std::int64_t count, void* prepared) {
  std::memcpy(prepared, codes, static_cast<std::size_t>(count));
}

/// Compilers do not know that tile instructions read what lies at an address.
void is_read(const void* address) { asm volatile("" : : "r"(address) : "memory"); }

/// Tiles 0 to 3 are sums of (rows, panel), 4 and 5 rows on the left, 6 and 7 panels.
void configure(std::int64_t first_rows, std::int64_t second_rows) {
  struct alignas(64) Config {
    std::uint8_t palette = 1, start = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
  } config;
  const std::int64_t rows[] = {first_rows, first_rows,  second_rows, second_rows,
                               first_rows, second_rows, kTileRows,   kTileRows};
  for (std::size_t tile = 0; tile < std::size(rows); ++tile) {
    config.row_bytes[tile] = kTileDepth;
    config.rows[tile] = static_cast<std::uint8_t>(std::max<std::int64_t>(rows[tile], 1));
  }
  is_read(&config);
  _tile_loadconfig(&config);
}

/// Both sides of a product's last inner indices, zeros past the depth.
struct Tail {
  alignas(64) std::int8_t left[2 * kTileRows * kTileDepth];
  alignas(64) std::int8_t panels[2 * kTileBytes];
};

/// Rows that `configure` was told of, times one or two panels. `tail` has what `depth`, whole
/// tiles, leaves; or is null.
template <bool kTwoRows, bool kTwoPanels>
void block(const Product& p, const std::int8_t* left, const std::int8_t* panels, std::int64_t depth,
           const Tail* tail, std::int32_t* out) {
  _tile_zero(0);
  if constexpr (kTwoPanels) _tile_zero(1);
  if constexpr (kTwoRows) _tile_zero(2);
  if constexpr (kTwoRows && kTwoPanels) _tile_zero(3);
  const auto accumulate = [](const std::int8_t* rows, std::int64_t stride, const std::int8_t* first,
                             const std::int8_t* second) {
    _tile_loadd(4, rows, stride);
    _tile_loadd(6, first, kTileDepth);
    _tile_dpbssd(0, 4, 6);
    if constexpr (kTwoPanels) {
      _tile_loadd(7, second, kTileDepth);
      _tile_dpbssd(1, 4, 7);
    }
    if constexpr (kTwoRows) {
      _tile_loadd(5, rows + kTileRows * stride, stride);
      _tile_dpbssd(2, 5, 6);
      if constexpr (kTwoPanels) _tile_dpbssd(3, 5, 7);
    }
  };
  for (std::int64_t inner = 0; inner < depth; inner += kTileDepth) {
    const std::int8_t* panel = panels + inner * kPanelColumns;
    accumulate(left + inner, p.left_stride, panel, panel + p.panel_stride);
  }
  if (tail != nullptr) accumulate(tail->left, kTileDepth, tail->panels, tail->panels + kTileBytes);
  const std::int64_t stride = p.out_stride * static_cast<std::int64_t>(sizeof(std::int32_t));
  _tile_stored(0, out, stride);
  if constexpr (kTwoPanels) _tile_stored(1, out + kPanelColumns, stride);
  if constexpr (kTwoRows) {
    std::int32_t* below = out + kTileRows * p.out_stride;
    _tile_stored(2, below, stride);
    if constexpr (kTwoPanels) _tile_stored(3, below + kPanelColumns, stride);
  }
}

/// Rows [begin, end), at most two tiles at a time: `end` is where a whole number of steps ends, or
/// the last rows.
void multiply_rows(const Product& p, std::int64_t begin, std::int64_t end, std::int64_t step) {
  const std::int64_t depth = p.depth / kTileDepth * kTileDepth, rest = p.depth - depth;
  configure(std::min(step, kTileRows), step - kTileRows);
  Tail tail{};
  for (std::int64_t panel = 0; panel < p.panel_count; panel += 2) {
    const std::int8_t* panels = static_cast<const std::int8_t*>(p.panels) + panel * p.panel_stride;
    const bool two_panels = panel + 1 < p.panel_count;
    for (std::int64_t i = 0; rest > 0 && i < (two_panels ? 2 : 1); ++i) {
      std::memcpy(tail.panels + i * kTileBytes, panels + i * p.panel_stride + depth * kPanelColumns,
                  static_cast<std::size_t>(rest * kPanelColumns));
    }
    for (std::int64_t row = begin; row < end; row += step) {
      const auto* left = static_cast<const std::int8_t*>(p.left) + row * p.left_stride;
      for (std::int64_t i = 0; rest > 0 && i < step; ++i) {
        std::memcpy(tail.left + i * kTileDepth, left + i * p.left_stride + depth,
                    static_cast<std::size_t>(rest));
      }
      const auto run = step > kTileRows ? (two_panels ? block<true, true> : block<true, false>)
                                        : (two_panels ? block<false, true> : block<false, false>);
      is_read(&tail);
      run(p, left, panels, depth, rest > 0 ? &tail : nullptr,
          p.out + row * p.out_stride + panel * kPanelColumns);
    }
  }
}

void multiply(const Product& p) {
  const std::int64_t whole = p.rows / (2 * kTileRows) * (2 * kTileRows);
  if (whole > 0) multiply_rows(p, 0, whole, 2 * kTileRows);
  if (whole < p.rows) multiply_rows(p, whole, p.rows, p.rows - whole);
  _tile_release();
}

}  // namespace

const Kernels kAmxKernels = [] {
  Kernels kernels = kAvx512VnniKernels;
  kernels.name = "amx_int8";
  kernels.supported = supported;
  kernels.prepare = prepare;
  kernels.multiply = multiply;
  return kernels;
}();

}  // namespace lmgc::model
