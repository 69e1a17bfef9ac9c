#include <cstdint>

#include "model/cuda/enqueue.cuh"
#include "model/cuda/launch.h"
#include "model/cuda/tensor_core.cuh"
#include "model/formulas.h"

/// Products of int8 matrices on tensor cores, with what follows them. Sums are integers, so their
/// order does not matter.
namespace lmgc::model::cuda {
namespace {

constexpr int kTileRows = static_cast<int>(kRowUnit), kTileColumns = static_cast<int>(kColumnUnit);
constexpr int kTileDepth = static_cast<int>(kDepthUnit);
constexpr int kStages = 4;  // tiles of depth under way
constexpr int kThreads = 128;
constexpr int kWarpRows = 64, kWarpColumns = 48;  // 2 x 2 warps
constexpr int kRowTiles = kWarpRows / 16, kColumnTiles = kWarpColumns / 8;
constexpr int kPieces = kTileDepth / 16;  // of 16 bytes, in a row of a tile
constexpr int kStageBytes = (kTileRows + kTileColumns) * kTileDepth;
constexpr int kSharedBytes = kStages * kStageBytes;

/// Offset of a piece in a tile: turned about, so that 8 rows' pieces lie in different banks.
__device__ int piece_offset(int row, int piece) {
  return row * kTileDepth + ((piece ^ (row >> 1 & (kPieces - 1))) * 16);
}

template <int kRows>
__device__ void fetch(unsigned to, const std::int8_t* from, std::int64_t depth) {
#pragma unroll
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kPieces; i += kThreads) {
    const int row = i / kPieces, piece = i % kPieces;
    copy_async(to + static_cast<unsigned>(piece_offset(row, piece)),
               from + row * depth + piece * 16);
  }
}

/// A sum of products, the scales of its column and row, and its column's bias.
template <bool kBiased>
struct Sum {
  std::int32_t sum;
  float column_scale, row_scale, column_bias;
  [[nodiscard]] __device__ float value() const { return value_of(sum, column_scale, row_scale); }
  [[nodiscard]] __device__ float biased(float x) const { return kBiased ? x + column_bias : x; }
  [[nodiscard]] __device__ std::int32_t score() const {
    return score_of(sum, column_scale, row_scale);
  }
};

/// kBiased: a kernel of its own, since the others have no registers to spare.
template <typename Epilogue, bool kBiased>
__global__ void __launch_bounds__(kThreads, 3)
    multiply_kernel(const Left left, const Right right, const Epilogue epilogue) {
  const unsigned base = shared_address(shared_memory<std::int8_t>());
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_row = warp / 2 * kWarpRows, warp_column = warp % 2 * kWarpColumns;
  const std::int64_t first_row = std::int64_t{blockIdx.y} * kTileRows;
  const std::int64_t first_column = std::int64_t{blockIdx.x} * kTileColumns;
  const std::int8_t* from_left = left.codes + first_row * right.depth;
  const std::int8_t* from_right = right.codes + first_column * right.depth;
  const int tiles = static_cast<int>(right.depth / kTileDepth);

  const auto fetch_tile = [&](int tile) {
    if (tile < tiles) {
      const unsigned to = base + static_cast<unsigned>(tile % kStages * kStageBytes);
      fetch<kTileRows>(to, from_left + tile * kTileDepth, right.depth);
      fetch<kTileColumns>(to + kTileRows * kTileDepth, from_right + tile * kTileDepth, right.depth);
    }
    commit_copies();
  };
  for (int tile = 0; tile < kStages - 1; ++tile) fetch_tile(tile);

  std::int32_t sums[kRowTiles][kColumnTiles][4] = {};
  for (int tile = 0; tile < tiles; ++tile) {
    wait_for_copies<kStages - 2>();
    __syncthreads();
    fetch_tile(tile + kStages - 1);
    const unsigned tile_left = base + static_cast<unsigned>(tile % kStages * kStageBytes);
    const unsigned tile_right = tile_left + kTileRows * kTileDepth;
#pragma unroll
    for (int inner = 0; inner < kPieces; inner += 2) {
      std::uint32_t a[kRowTiles][4], b[kColumnTiles][2];
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) {
        const int row = warp_row + 16 * i + lane % 16;
        load_matrices(a[i],
                      tile_left + static_cast<unsigned>(piece_offset(row, inner + lane / 16)));
      }
#pragma unroll
      for (int j = 0; j < kColumnTiles; j += 2) {
        const int row = warp_column + 8 * j + lane / 16 * 8 + lane % 8;
        std::uint32_t both[4];
        load_matrices(both,
                      tile_right + static_cast<unsigned>(piece_offset(row, inner + lane / 8 % 2)));
        b[j][0] = both[0], b[j][1] = both[1], b[j + 1][0] = both[2], b[j + 1][1] = both[3];
      }
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
        for (int j = 0; j < kColumnTiles; ++j) multiply_add(sums[i][j], a[i], b[j]);
      }
    }
  }

  const std::int64_t row = first_row + warp_row + lane / 4;  // of the first row tile
  const std::int64_t column = first_column + warp_column + lane % 4 * 2;
  const auto for_pairs = [&](int i, const auto& body) {  // of a row tile
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const std::int64_t at_row = row + 16 * i + 8 * half;
#pragma unroll
      for (int j = 0; j < kColumnTiles; ++j) {
        const std::int64_t at_column = column + 8 * j;
        if (at_row < left.rows && at_column < right.columns) body(half, j, at_row, at_column);
      }
    }
  };
  // All loads come before the stores, which might change what they load as far as compilers know.
  float2 column_scales[kColumnTiles], column_biases[kColumnTiles] = {};
#pragma unroll
  for (int j = 0; j < kColumnTiles; ++j) {
    column_scales[j] = *reinterpret_cast<const float2*>(right.scales + column + 8 * j);
    if constexpr (kBiased) {
      column_biases[j] = *reinterpret_cast<const float2*>(right.biases + column + 8 * j);
    }
  }
#pragma unroll
  for (int i = 0; i < kRowTiles; ++i) {
    float2 before[2][kColumnTiles];
    float row_scales[2];
    for_pairs(i, [&](int half, int j, std::int64_t at_row, std::int64_t at_column) {
      before[half][j] = epilogue.before(at_row, at_column);
      row_scales[half] = left.scales[at_row];
    });
    for_pairs(i, [&](int half, int j, std::int64_t at_row, std::int64_t at_column) {
      epilogue.write(at_row, at_column, before[half][j],
                     Sum<kBiased>{sums[i][j][2 * half], column_scales[j].x, row_scales[half],
                                  column_biases[j].x},
                     Sum<kBiased>{sums[i][j][2 * half + 1], column_scales[j].y, row_scales[half],
                                  column_biases[j].y});
    });
  }
}

/// What becomes of the sums of columns `column` and the next.
struct Store {
  Floats out;
  [[nodiscard]] __device__ float2 before(std::int64_t, std::int64_t) const { return {}; }
  template <typename Sum>
  __device__ void write(std::int64_t row, std::int64_t column, float2, Sum a, Sum b) const {
    *reinterpret_cast<float2*>(out.values + row * out.stride + column) =
        make_float2(a.biased(a.value()), b.biased(b.value()));
  }
};

struct Accumulate {
  Floats out;
  [[nodiscard]] __device__ float2 before(std::int64_t row, std::int64_t column) const {
    return *reinterpret_cast<const float2*>(out.values + row * out.stride + column);
  }
  template <typename Sum>
  __device__ void write(std::int64_t row, std::int64_t column, float2 x, Sum a, Sum b) const {
    *reinterpret_cast<float2*>(out.values + row * out.stride + column) =
        make_float2(a.biased(x.x + a.value()), b.biased(x.y + b.value()));
  }
};

struct Gate {
  Floats out;
  [[nodiscard]] __device__ float2 before(std::int64_t, std::int64_t) const { return {}; }
  template <typename Sum>
  __device__ void write(std::int64_t row, std::int64_t column, float2, Sum a, Sum b) const {
    out.values[row * out.stride + column / 2] = silu(a.biased(a.value())) * b.biased(b.value());
  }
};

struct Gelu {
  Floats out;
  [[nodiscard]] __device__ float2 before(std::int64_t, std::int64_t) const { return {}; }
  template <typename Sum>
  __device__ void write(std::int64_t row, std::int64_t column, float2, Sum a, Sum b) const {
    *reinterpret_cast<float2*>(out.values + row * out.stride + column) =
        make_float2(gelu(a.biased(a.value())), gelu(b.biased(b.value())));
  }
};

struct Score {
  std::int32_t* out;
  std::int64_t columns;
  [[nodiscard]] __device__ float2 before(std::int64_t, std::int64_t) const { return {}; }
  template <typename Sum>
  __device__ void write(std::int64_t row, std::int64_t column, float2, Sum a, Sum b) const {
    out[row * columns + column] = a.score();
    if (column + 1 < columns) out[row * columns + column + 1] = b.score();
  }
};

template <bool kBiased, typename Epilogue>
void launch(const Left& left, const Right& right, const Epilogue& epilogue, void* stream) {
  if (left.rows == 0) return;
  allow_shared_memory(multiply_kernel<Epilogue, kBiased>, kSharedBytes);
  const dim3 grid(static_cast<unsigned>((right.columns + kTileColumns - 1) / kTileColumns),
                  static_cast<unsigned>((left.rows + kTileRows - 1) / kTileRows));
  enqueue(multiply_kernel<Epilogue, kBiased>, {grid, kThreads, kSharedBytes}, stream, left, right,
          epilogue);
}

template <typename Epilogue>
void launch(const Left& left, const Right& right, const Epilogue& epilogue, void* stream) {
  right.biases == nullptr ? launch<false>(left, right, epilogue, stream)
                          : launch<true>(left, right, epilogue, stream);
}

}  // namespace

void multiply(const Left& left, const Right& right, Floats out, void* stream) {
  launch(left, right, Store{out}, stream);
}

void multiply_accumulate(const Left& left, const Right& right, Floats out, void* stream) {
  launch(left, right, Accumulate{out}, stream);
}

void multiply_gate(const Left& left, const Right& right, Floats out, void* stream) {
  launch(left, right, Gate{out}, stream);
}

void multiply_gelu(const Left& left, const Right& right, Floats out, void* stream) {
  launch(left, right, Gelu{out}, stream);
}

void multiply_score(const Left& left, const Right& right, std::int32_t* out, void* stream) {
  launch<false>(left, right, Score{out, right.columns}, stream);
}

}  // namespace lmgc::model::cuda
