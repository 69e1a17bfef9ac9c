#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "model/cuda/attention_tile.cuh"
#include "model/cuda/device.h"
#include "model/cuda/enqueue.cuh"

namespace lmgc::model::cuda {
namespace {

/// Of a block at most: neighbours read the same keys and values, from the cache of their
/// multiprocessor, and end at about the same time.
template <bool kKept>
constexpr unsigned kMostWarps = kKept ? 3 : 4;

/// Blocks that registers of a multiprocessor must have room for.
template <int kChunks, int kQueries, bool kKept>
constexpr int kBlocks = kChunks > 1    ? 1
                        : !kKept       ? 2
                        : kQueries > 8 ? 4
                                       : 5;

template <int kChunks, int kQueries, bool kKept>
__global__ void __launch_bounds__(kMostWarps<kKept>* kWarp, (kBlocks<kChunks, kQueries, kKept>))
    attend_kernel(const Attention job, unsigned first_tile, unsigned tiles, unsigned warps) {
  let_next_start();
  wait_for_earlier();
  const unsigned blocks = (tiles + warps - 1) / warps;  // of a slot
  const unsigned slot = blockIdx.x / blocks, warp = threadIdx.x / kWarp;
  const unsigned tile = blockIdx.x % blocks * warps + warp;
  if (tile >= tiles) return;
  auto* kept = shared_memory<float4>();
  if constexpr (kKept) {
    constexpr auto kFours = static_cast<int>(kKeptBytes<kQueries> / sizeof(float4));
    const auto end = static_cast<int>((first_tile + tiles) * kQueries);
    kept += static_cast<int>(warp) * job.key_tiles_before(end) * kFours;
  }
  Tile<kChunks, kQueries, kKept>(job, slot, static_cast<int>(first_tile + tile),
                                 job.heads.position.now(), kept)
      .run();
}

template <int kChunks, int kQueries>
void launch(const Attention& job, std::int64_t lanes, void* stream) {
  const int tiles = job.tiles_of_slot(kQueries);
  const auto key_tiles = [&](int tile) { return job.key_tiles_before((tile + 1) * kQueries); };
  const auto enqueue_tiles = [&](auto is_kept, int first, int end, std::int64_t kept_bytes) {
    constexpr bool kKept = decltype(is_kept)::value;
    const auto kernel = attend_kernel<kChunks, kQueries, kKept>;
    const auto count = static_cast<unsigned>(end - first);
    const unsigned warps = std::min(kMostWarps<kKept>, count);
    const auto slots = static_cast<unsigned>(lanes * job.heads.kv_heads);
    allow_shared_memory(kernel, warps * kept_bytes);
    enqueue(kernel,
            {dim3(slots * ((count + warps - 1) / warps)), warps * kWarp, warps * kept_bytes},
            stream, job, static_cast<unsigned>(first), count, warps);
  };
  // Seven warps that keep are as fast as many that do not. A launch has room for what its last tile
  // keeps, for each of its warps; hence several.
  const auto most = static_cast<int>(shared_bytes() / 7 / kKeptBytes<kQueries>);
  int first = 0;
  for (int part = 1; part <= 4; ++part) {
    int end = first;
    while (end < tiles && key_tiles(end) <= most * part / 4) ++end;
    if (end == first) continue;
    enqueue_tiles(std::true_type(), first, end, key_tiles(end - 1) * kKeptBytes<kQueries>);
    first = end;
  }
  if (first < tiles) enqueue_tiles(std::false_type(), first, tiles, 0);
}

template <int kChunks>
void launch(const Attention& job, std::int64_t lanes, void* stream) {
  const int queries = job.queries_of_slot();
  queries > 8   ? launch<kChunks, 16>(job, lanes, stream)
  : queries > 4 ? launch<kChunks, 8>(job, lanes, stream)
                : launch<kChunks, 4>(job, lanes, stream);
}

}  // namespace

void attend(const Queries& queries, const Context& context, std::int64_t lanes, const Heads& heads,
            Floats out, void* stream) {
  const Attention job{queries, context, heads, out};
  switch (heads.depth / kChunk) {
    case 1:
      return launch<1>(job, lanes, stream);
    case 2:
      return launch<2>(job, lanes, stream);
    case 3:
      return launch<3>(job, lanes, stream);
    case 4:
      return launch<4>(job, lanes, stream);
    default:
      throw std::logic_error("lmgc: heads beyond kHeadLimit");
  }
}

}  // namespace lmgc::model::cuda
