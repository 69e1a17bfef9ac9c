#include <algorithm>
#include <cstdint>

#include "model/cuda/device.h"
#include "model/cuda/enqueue.cuh"
#include "model/cuda/gemm.cuh"
#include "model/cuda/resident_room.cuh"
#include "model/cuda/tensor_core.cuh"
#include "model/cuda/warpgroup.cuh"

/// Products of int8 matrices on Hopper. A block keeps a tile of the right side's columns in shared
/// memory, at full depth, and takes many rows past it. Its warpgroups are teams with rows of their
/// own: while one writes its results, the other multiplies. In a team each has a share of the
/// columns.
namespace lmgc::model::cuda {
namespace {

constexpr int kThreads = kTeams * kTeam * kWarpgroup;

/// Of what the epilogue of a tile reads, so that it need not wait for memory then.
template <int kColumns>
__device__ void prefetch_tile(const Floats& out, int first_row, int first_column, std::int64_t rows,
                              int thread) {
  constexpr int kLineFloats = 32, kLines = (kColumns + kLineFloats - 1) / kLineFloats;
  for (int i = thread; i < kTileRows * kLines; i += kWarpgroup) {
    const int row = first_row + i / kLines, column = first_column + i % kLines * kLineFloats;
    if (row < rows && column < out.stride) prefetch(out.values + row * out.stride + column);
  }
}

/// kColumns: of a warpgroup.
template <int kColumns, typename Epilogue, bool kBiased>
__global__ void __launch_bounds__(kThreads, 1)
    resident_kernel(const Left left, const Right right, const Epilogue epilogue, const Room room) {
#ifdef LMGC_HAS_WARPGROUPS
  let_next_start();
  constexpr int kColumnTiles = kColumns / 8;
  const int group = warpgroup_of_thread(), team = group / kTeam;
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroup;
  const bool leads = thread == 0 && group % kTeam == 0;
  const int bricks = static_cast<int>(right.depth / kDepthUnit);
  const auto row_tiles = static_cast<int>((left.rows + kTileRows - 1) / kTileRows);
  const int step = static_cast<int>(gridDim.y) * kTeams;
  const int first_row_tile = static_cast<int>(blockIdx.y) * kTeams + team;
  const int block_column = static_cast<int>(blockIdx.x) * kTeam * kColumns;
  const Ring ring = room.ring;

  auto* const shared = shared_memory<std::uint8_t>();
  const unsigned base = shared_address(shared);
  auto* const scales = reinterpret_cast<float*>(shared + room.factors_at());
  float* const biases = scales + kTeam * kColumns;
  const unsigned right_barrier = base + room.barriers_at();
  const auto left_barrier = [&](int slot) {
    return right_barrier + kBarrierBytes * static_cast<unsigned>(1 + team * ring.slots + slot);
  };
  const auto slot_at = [&](int slot) {
    return base + room.slots_at() + static_cast<unsigned>(team * ring.slots + slot) * room.slot;
  };
  if (threadIdx.x == 0) make_barrier(right_barrier);
  if (leads) {
    for (int slot = 0; slot < ring.slots; ++slot) make_barrier(left_barrier(slot));
  }
  for (auto i = static_cast<int>(threadIdx.x); i < kTeam * kColumns; i += kThreads) {
    scales[i] = right.scales[block_column + i];
    if constexpr (kBiased) biases[i] = right.biases[block_column + i];
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    expect_bytes(right_barrier, room.right);
    copy_bulk(base, right.codes + block_column * right.depth, room.right, right_barrier);
  }
  wait_for_earlier();  // nobody writes the right side

  // What a team multiplies next goes through its slots, row tile after row tile.
  int next_row_tile = first_row_tile, next_brick = 0, next_slot = 0;
  const auto fetch_next = [&] {
    if (!leads || next_row_tile >= row_tiles) return;
    const std::int8_t* from = left.codes + std::int64_t{next_row_tile} * kTileRows * right.depth +
                              next_brick * kBrickBytes;
    const unsigned bytes = static_cast<unsigned>(min(ring.bricks, bricks - next_brick)) * kBrick;
    expect_bytes(left_barrier(next_slot), kBricks * bytes);
    if (ring.bricks == bricks) {
      copy_bulk(slot_at(next_slot), from, room.slot, left_barrier(next_slot));
    } else {
      for (int i = 0; i < kBricks; ++i) {
        copy_bulk(slot_at(next_slot) + static_cast<unsigned>(i * ring.bricks) * kBrick,
                  from + i * kBrickRows * right.depth, bytes, left_barrier(next_slot));
      }
    }
    if (++next_slot == ring.slots) next_slot = 0;
    next_brick += ring.bricks;
    if (next_brick >= bricks) next_brick = 0, next_row_tile += step;
  };
  for (int slot = 0; slot < ring.slots; ++slot) fetch_next();
  wait_for_bytes(right_barrier, 0);

  const int group_column = group % kTeam * kColumns;  // in the block
  const int my_column = group_column + thread % 4 * 4;
  const unsigned right_at = base + static_cast<unsigned>(group_column / 8 * bricks) * kBrick;
  int slot = 0;
  unsigned round = 0;
  for (int row_tile = first_row_tile; row_tile < row_tiles; row_tile += step) {
    const int row = row_tile * kTileRows + thread / 32 * 16 + thread % 32 / 4;
    const RowScales row_scale = row_scales(left, row);
    if constexpr (Epilogue::kReads) {
      prefetch_tile<kColumns>(epilogue.out, row_tile * kTileRows, block_column + group_column,
                              left.rows, thread);
    }
    std::int32_t sums[kColumnTiles][4] = {};
    for (int first = 0; first < bricks; first += ring.bricks) {
      wait_for_bytes(left_barrier(slot), round);
      std::uint64_t a = matrix_at(slot_at(slot), static_cast<unsigned>(ring.bricks) * kBrick);
      std::uint64_t b = matrix_at(right_at + static_cast<unsigned>(first) * kBrick,
                                  static_cast<unsigned>(bricks) * kBrick);
      begin_products(sums);
      for (int i = min(ring.bricks, bricks - first); i > 0; --i) {
        multiply_add_group(sums, a, b);
        multiply_add_group(sums, a + kHalfRow, b + kHalfRow);
        a += kNextBrick, b += kNextBrick;
      }
      end_products(sums);
      sync_warpgroups<kTeam>(team);
      fetch_next();
      if (++slot == ring.slots) slot = 0, round ^= 1;
    }
    constexpr int kPairsAtOnce = kColumnTiles % 4 == 0 ? 2 : 3;  // as registers allow
#pragma unroll
    for (int i = 0; i < kColumnTiles; i += 2 * kPairsAtOnce) {
      const int column = my_column + 8 * i;
      finish<kBiased, kPairsAtOnce>(left, right, epilogue, row, block_column + column, row_scale,
                                    {scales + column, biases + column}, sums + i);
    }
  }
#endif
}

template <int kColumns, bool kBiased, typename Epilogue>
void launch(const Left& left, const Right& right, const Epilogue& epilogue, const Room& room,
            void* stream) {
  const auto kernel = resident_kernel<kColumns, Epilogue, kBiased>;
  allow_shared_memory(kernel, room.bytes());
  const std::int64_t column_blocks = (right.columns + kTeam * kColumns - 1) / (kTeam * kColumns);
  const std::int64_t row_blocks = (left.rows + kTeams * kTileRows - 1) / (kTeams * kTileRows);
  const std::int64_t at_once = std::max(multiprocessors() / column_blocks, std::int64_t{1});
  enqueue(kernel,
          {dim3(static_cast<unsigned>(column_blocks),
                static_cast<unsigned>(std::min(at_once, row_blocks))),
           kThreads, room.bytes()},
          stream, left, right, epilogue, room);
}

template <int kColumns, typename Epilogue>
void launch(const Left& left, const Right& right, const Epilogue& epilogue, const Room& room,
            void* stream) {
  right.biases == nullptr ? launch<kColumns, false>(left, right, epilogue, room, stream)
                          : launch<kColumns, true>(left, right, epilogue, room, stream);
}

}  // namespace

template <typename Epilogue>
bool multiply_resident(const Left& left, const Right& right, const Epilogue& epilogue,
                       void* stream) {
  if (!has_warpgroup_products()) return false;
  constexpr int kNarrow = static_cast<int>(kColumnUnit) / kTeam, kWide = 2 * kNarrow;
  const std::int64_t units = (right.columns + kColumnUnit - 1) / kColumnUnit;
  const Room wide = room_of(right, kTeam * kWide);
  if (units % 2 == 0 && wide.ring.bricks * kDepthUnit == right.depth) {
    launch<kWide>(left, right, epilogue, wide, stream);
    return true;
  }
  const Room narrow = room_of(right, kTeam * kNarrow);
  if (narrow.ring.slots == 0) return false;
  launch<kNarrow>(left, right, epilogue, narrow, stream);
  return true;
}

template bool multiply_resident(const Left&, const Right&, const Store&, void*);
template bool multiply_resident(const Left&, const Right&, const Accumulate&, void*);
template bool multiply_resident(const Left&, const Right&, const Gate&, void*);
template bool multiply_resident(const Left&, const Right&, const Gelu&, void*);
template bool multiply_resident(const Left&, const Right&, const Score&, void*);

}  // namespace lmgc::model::cuda
