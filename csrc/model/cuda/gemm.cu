#include <cstdint>

#include "model/cuda/enqueue.cuh"
#include "model/cuda/gemm.cuh"
#include "model/cuda/tensor_core.cuh"

/// Products of int8 matrices on tensor cores, with what follows them. Sums are integers, so their
/// order does not matter.
namespace lmgc::model::cuda {
namespace {

constexpr int kTileRows = static_cast<int>(kRowUnit), kTileColumns = static_cast<int>(kColumnUnit);
constexpr int kTileDepth = static_cast<int>(kDepthUnit);
constexpr int kPieces = kTileDepth / static_cast<int>(kPieceBytes);  // of a row
constexpr int kStages = 4;                                           // tiles of depth under way
constexpr int kThreads = 128;
constexpr int kWarpRows = 64, kWarpColumns = 48;  // 2 x 2 warps
constexpr int kRowTiles = kWarpRows / 16, kColumnTiles = kWarpColumns / 8;
constexpr int kStageBytes = (kTileRows + kTileColumns) * kTileDepth;
constexpr int kSharedBytes = kStages * kStageBytes;

/// Of a piece in a tile, which is bricks one after another.
__device__ unsigned piece_offset(int row, int piece) {
  return static_cast<unsigned>(row * kTileDepth) +
         static_cast<unsigned>(turned(row, piece) * kPieceBytes);
}

/// Copies the bricks of kRows rows at some depth, from the first of them on.
template <int kRows>
__device__ void fetch_tile(unsigned to, const std::int8_t* from, std::int64_t depth) {
  constexpr int kBrick = static_cast<int>(kBrickBytes / kPieceBytes);
#pragma unroll
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kPieces; i += kThreads) {
    copy_async(to + static_cast<unsigned>(i * kPieceBytes),
               from + i / kBrick * (kBrickRows * depth) + i % kBrick * kPieceBytes);
  }
}

/// kBiased: a kernel of its own, since the others have no registers to spare.
template <typename Epilogue, bool kBiased>
__global__ void __launch_bounds__(kThreads, 3)
    multiply_kernel(const Left left, const Right right, const Epilogue epilogue) {
  let_next_start();
  wait_for_earlier();
  const unsigned base = shared_address(shared_memory<std::int8_t>());
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_row = warp / 2 * kWarpRows, warp_column = warp % 2 * kWarpColumns;
  const std::int64_t first_row = std::int64_t{blockIdx.y} * kTileRows;
  const std::int64_t first_column = std::int64_t{blockIdx.x} * kTileColumns;
  const std::int8_t* from_left = left.codes + first_row * right.depth;
  const std::int8_t* from_right = right.codes + first_column * right.depth;
  const int tiles = static_cast<int>(right.depth / kTileDepth);

  const auto fetch = [&](int tile) {
    if (tile < tiles) {
      const unsigned to = base + static_cast<unsigned>(tile % kStages * kStageBytes);
      fetch_tile<kTileRows>(to, from_left + tile * kBrickBytes, right.depth);
      fetch_tile<kTileColumns>(to + kTileRows * kTileDepth, from_right + tile * kBrickBytes,
                               right.depth);
    }
    commit_copies();
  };
  for (int tile = 0; tile < kStages - 1; ++tile) fetch(tile);

  std::int32_t sums[kRowTiles][kColumnTiles][4] = {};
  for (int tile = 0; tile < tiles; ++tile) {
    wait_for_copies<kStages - 2>();
    __syncthreads();
    fetch(tile + kStages - 1);
    const unsigned tile_left = base + static_cast<unsigned>(tile % kStages * kStageBytes);
    const unsigned tile_right = tile_left + kTileRows * kTileDepth;
#pragma unroll
    for (int inner = 0; inner < kPieces; inner += 2) {
      std::uint32_t a[kRowTiles][4], b[kColumnTiles][2];
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) {
        const int row = warp_row + 16 * i + lane % 16;
        load_matrices(a[i], tile_left + piece_offset(row, inner + lane / 16));
      }
#pragma unroll
      for (int j = 0; j < kColumnTiles; j += 2) {
        const int row = warp_column + 8 * j + lane / 16 * 8 + lane % 8;
        std::uint32_t both[4];
        load_matrices(both, tile_right + piece_offset(row, inner + lane / 8 % 2));
        b[j][0] = both[0], b[j][1] = both[1], b[j + 1][0] = both[2], b[j + 1][1] = both[3];
      }
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
        for (int j = 0; j < kColumnTiles; ++j) multiply_add(sums[i][j], a[i], b[j]);
      }
    }
  }

  const int column = static_cast<int>(first_column) + warp_column + lane % 4 * 4;
#pragma unroll
  for (int i = 0; i < kRowTiles; ++i) {
    const int row = static_cast<int>(first_row) + warp_row + 16 * i + lane / 4;
    finish<kBiased, kColumnTiles / 2>(left, right, epilogue, row, column, row_scales(left, row),
                                      {right.scales + column, right.biases + column}, sums[i]);
  }
}

template <bool kBiased, typename Epilogue>
void launch(const Left& left, const Right& right, const Epilogue& epilogue, void* stream) {
  allow_shared_memory(multiply_kernel<Epilogue, kBiased>, kSharedBytes);
  const dim3 grid(static_cast<unsigned>((right.columns + kTileColumns - 1) / kTileColumns),
                  static_cast<unsigned>((left.rows + kTileRows - 1) / kTileRows));
  enqueue(multiply_kernel<Epilogue, kBiased>, {grid, kThreads, kSharedBytes}, stream, left, right,
          epilogue);
}

template <typename Epilogue>
void launch(const Left& left, const Right& right, const Epilogue& epilogue, void* stream) {
  if (left.rows == 0 || multiply_resident(left, right, epilogue, stream)) return;
  right.biases == nullptr ? launch<false>(left, right, epilogue, stream)
                          : launch<true>(left, right, epilogue, stream);
}

}  // namespace

void multiply(const Left& left, const Right& right, Floats out, void* stream) {
  launch(left, right, Store{out}, stream);
}

void multiply_accumulate(const Left& left, const Right& right, Floats out, void* stream) {
  launch(left, right, Accumulate{{out}}, stream);
}

void multiply_gate(const Left& left, const Right& right, Floats out, void* stream) {
  launch(left, right, Gate{out}, stream);
}

void multiply_gelu(const Left& left, const Right& right, Floats out, void* stream) {
  launch(left, right, Gelu{{out}}, stream);
}

void multiply_score(const Left& left, const Right& right, std::int32_t* out, void* stream) {
  launch(left, right, Score{out, right.columns}, stream);
}

}  // namespace lmgc::model::cuda
