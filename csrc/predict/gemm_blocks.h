#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "predict/gemm.h"

/// Blocks for caches and registers, around an instruction set's tiles. `static`, since each file
/// compiles these for its own instruction set.
namespace lmgc::predict {

/// A product whose c is a few vectors wide, with rows of b at b + p * b_stride.
struct GemmPanel {
  std::size_t m, pairs;
  const std::int16_t* a;
  std::size_t a_stride;
  const std::int16_t* b;
  std::size_t b_stride;
  std::int32_t* c;
  std::size_t c_stride;
  bool add;  // to what c holds
};

/// Two neighbours in a row of a.
static inline std::int32_t pair_at(const std::int16_t* at) {
  std::int32_t pair;
  std::memcpy(&pair, at, sizeof(pair));
  return pair;
}

/// `Tiles`, local to a file, has kLanes columns in a vector and up to kMaxRows rows in a tile, and
/// multiply<rows, vectors>.
template <typename Tiles>
class GemmBlocks {
 public:
  static void multiply(const GemmShape& shape, const std::int16_t* a, const std::int16_t* b,
                       std::int32_t* c, bool accumulate) {
    if (shape.pairs == 0) {  // a and b may be null
      for (std::size_t i = 0; i < shape.m && !accumulate; ++i) {
        std::fill_n(c + i * shape.c_stride, shape.n, 0);
      }
      return;
    }
    alignas(64) std::int16_t packed[2 * kDepth * kColumns];
    for (std::size_t column = 0; column < shape.n; column += kColumns) {
      const std::size_t columns = std::min(kColumns, shape.n - column);
      const bool packs = !reads_in_place(shape, columns);
      for (std::size_t start = 0; start < shape.pairs; start += kDepth) {
        GemmShape part = shape;
        part.n = columns;
        part.pairs = std::min(kDepth, shape.pairs - start);
        Right right{b + start * shape.b_stride + 2 * column, shape.b_stride, 2};
        if (packs) right = pack(part, right, packed);
        for (std::size_t row = 0; row < shape.m; row += kBlockRows) {
          part.m = std::min(kBlockRows, shape.m - row);
          const std::int16_t* left = a + row * shape.a_stride + 2 * start;
          block(part, left, right, c + row * shape.c_stride + column, accumulate || start > 0);
        }
      }
    }
  }

 private:
  static constexpr std::size_t kPanel = 2 * Tiles::kLanes;
  static constexpr std::size_t kColumns = 64;
  static constexpr std::size_t kDepth = 256;  // with kColumns, 64 KiB of b; a panel 16 or 32 KiB
  static constexpr std::size_t kBlockRows = 192;  // up to 192 KiB of a
  static_assert(kColumns % kPanel == 0 && kBlockRows % Tiles::kMaxRows == 0);

  /// Rows for which a copy of b does not pay, and bytes of b that stay cached without one.
  static constexpr std::size_t kFewRows = 4 * Tiles::kMaxRows;
  static constexpr std::size_t kFewBytes = 16384;

  static bool reads_in_place(const GemmShape& shape, std::size_t columns) {
    return columns % Tiles::kLanes == 0 &&
           (shape.m <= kFewRows ||
            shape.pairs * shape.b_stride * sizeof(std::int16_t) <= kFewBytes);
  }

  /// Some rows and columns of b: pair p of column j, a multiple of kPanel, is at
  /// p * pair_step + j * column_step.
  struct Right {
    const std::int16_t* pairs;
    std::size_t pair_step, column_step;
  };

  /// Copies part.n columns to panels [kDepth][kPanel][2], with zeros beyond the last column.
  static Right pack(const GemmShape& part, const Right& right, std::int16_t* packed) {
    for (std::size_t p = 0; p < part.pairs; ++p) {
      const std::int16_t* from = right.pairs + p * right.pair_step;
      std::int16_t* to = packed + p * 2 * kPanel;
      std::size_t left = part.n;
      for (; left >= kPanel; left -= kPanel) {
        std::memcpy(to, from, 2 * kPanel * sizeof(*to));
        from += 2 * kPanel;
        to += 2 * kPanel * kDepth;
      }
      if (left > 0) {
        std::memcpy(to, from, 2 * left * sizeof(*to));
        std::fill(to + 2 * left, to + 2 * kPanel, std::int16_t{0});
      }
    }
    return {packed, 2 * kPanel, 2 * kDepth};
  }

  /// Up to kBlockRows x kColumns x kDepth.
  static void block(const GemmShape& part, const std::int16_t* a, const Right& right,
                    std::int32_t* c, bool add) {
    for (std::size_t column = 0; column < part.n; column += kPanel) {
      const std::size_t columns = std::min(kPanel, part.n - column);
      const GemmPanel panel{.m = part.m,
                            .pairs = part.pairs,
                            .a = a,
                            .a_stride = part.a_stride,
                            .b = right.pairs + column * right.column_step,
                            .b_stride = right.pair_step,
                            .c = c + column,
                            .c_stride = part.c_stride,
                            .add = add};
      if (columns % Tiles::kLanes == 0) {
        multiply_panel(panel, columns);
      } else {
        multiply_narrow(panel, columns);
      }
    }
  }

  /// For columns that end inside a vector: c has no room for the rest.
  static void multiply_narrow(const GemmPanel& panel, std::size_t columns) {
    alignas(64) std::int32_t sums[Tiles::kMaxRows * kPanel];
    for (std::size_t row = 0; row < panel.m; row += Tiles::kMaxRows) {
      GemmPanel part = panel;
      part.m = std::min(Tiles::kMaxRows, panel.m - row);
      part.a += row * panel.a_stride;
      part.c = sums;
      part.c_stride = kPanel;
      part.add = false;
      multiply_panel(part, columns);
      for (std::size_t i = 0; i < part.m; ++i) {
        std::int32_t* c = panel.c + (row + i) * panel.c_stride;
        for (std::size_t j = 0; j < columns; ++j) {
          const auto before = panel.add ? static_cast<std::uint32_t>(c[j]) : 0;
          c[j] =
              static_cast<std::int32_t>(before + static_cast<std::uint32_t>(sums[i * kPanel + j]));
        }
      }
    }
  }

  static void multiply_panel(const GemmPanel& panel, std::size_t columns) {
    if (columns > Tiles::kLanes) {
      multiply_rows<2>(panel, std::make_index_sequence<Tiles::kMaxRows - 1>());
    } else {
      multiply_rows<1>(panel, std::make_index_sequence<Tiles::kMaxRows - 1>());
    }
  }

  template <std::size_t kVectors, std::size_t... kIndices>
  static void multiply_rows(const GemmPanel& panel, std::index_sequence<kIndices...>) {
    std::size_t row = 0;
    for (; row + Tiles::kMaxRows <= panel.m; row += Tiles::kMaxRows) {
      multiply_tile<Tiles::kMaxRows, kVectors>(panel, row);
    }
    const std::size_t rest = panel.m - row;
    (..., (rest == kIndices + 1 ? multiply_tile<kIndices + 1, kVectors>(panel, row) : void()));
  }

  template <std::size_t kRows, std::size_t kVectors>
  static void multiply_tile(const GemmPanel& panel, std::size_t row) {
    Tiles::template multiply<kRows, kVectors>(
        panel.pairs, panel.a + row * panel.a_stride, panel.a_stride, panel.b, panel.b_stride,
        panel.c + row * panel.c_stride, panel.c_stride, panel.add);
  }
};

}  // namespace lmgc::predict
