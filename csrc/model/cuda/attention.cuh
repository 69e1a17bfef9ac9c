#pragma once

#include <cstdint>
#include <stdexcept>
#include <type_traits>

#include "model/cuda/launch.h"
#include "model/cuda/tensor_core.cuh"
#include "model/cuda/warp.cuh"
#include "model/formulas.h"

namespace lmgc::model::cuda {

inline constexpr int kTileQueries = 16;  // rows of fragment A
inline constexpr int kTileKeys = 64;
inline constexpr int kTiles = kTileKeys / 8;                 // of fragment B
inline constexpr int kChunk = static_cast<int>(kDepthUnit);  // of a head's codes

/// What a launch works on.
struct Attention {
  Queries queries;
  Context context;
  Heads heads;
  Floats out;

  [[nodiscard]] __host__ __device__ int queries_of_slot() const {
    return static_cast<int>(heads.steps * heads.group);
  }
  /// Keys that a query of a slot sees.
  [[nodiscard]] __device__ int seen(int query) const {
    return static_cast<int>(heads.position) + query / static_cast<int>(heads.group) + 1;
  }
  /// Where a query's head goes.
  [[nodiscard]] __device__ float* output(std::int64_t slot, int query) const {
    const int kv_heads = static_cast<int>(heads.kv_heads), group = static_cast<int>(heads.group);
    const auto lane = static_cast<int>(slot) / kv_heads,
               kv_head = static_cast<int>(slot) % kv_heads;
    const std::int64_t row = std::int64_t{lane} * heads.steps + query / group;
    return out.values + row * out.stride + (kv_head * group + query % group) * heads.head_width;
  }
};

/// Codes of queries g, and of g + 8 if kUpper, as thread 4 g + t of a warp has them. Order inside
/// sums is free, so that a thread takes codes 16 t ... 16 t + 15 of each chunk of a head, and keys
/// 16 t ... of each tile: whole pieces of 16 bytes. A slot is a lane's key-value head.
template <int kChunks, bool kUpper>
struct QueryTile {
  static constexpr int kHalves = kUpper ? 2 : 1;

  __device__ QueryTile(const Attention& job, std::int64_t slot, int first) {
    const int count = job.queries_of_slot();
    for (int half = 0; half < kHalves; ++half) {
      const std::int64_t index = slot * count + min(first + 8 * half + g(), count - 1);
      scale[half] = job.queries.scales[index];
      const std::int8_t* from = job.queries.codes + index * (kChunks * kChunk) + 16 * t();
      for (int chunk = 0; chunk < kChunks; ++chunk) {
        codes[half][chunk] = *reinterpret_cast<const uint4*>(from + chunk * kChunk);
      }
    }
    keys = job.context.keys + slot * job.context.capacity * (kChunks * kChunk);
  }

  [[nodiscard]] static __device__ int g() { return static_cast<int>(lane_of_warp()) / 4; }
  [[nodiscard]] static __device__ int t() { return static_cast<int>(lane_of_warp()) % 4; }

  /// Key of column `column` of fragment `tile` of those from `base` on.
  [[nodiscard]] static __device__ int key_of(int base, int tile, int column) {
    return base + column / 2 * 16 + tile * 2 + column % 2;
  }

  /// Dot products with the keys from `base` on: fragments C.
  __device__ void multiply(int base, std::int32_t (&sums)[kTiles][4]) const {
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      const std::int8_t* from = keys + key_of(base, tile, g()) * (kChunks * kChunk) + 16 * t();
      for (int i = 0; i < 4; ++i) sums[tile][i] = 0;
#pragma unroll
      for (int chunk = 0; chunk < kChunks; ++chunk) {
        const uint4 key = *reinterpret_cast<const uint4*>(from + chunk * kChunk);
        const uint4 low = codes[0][chunk];
        const uint4 high = kUpper ? codes[kHalves - 1][chunk] : make_uint4(0, 0, 0, 0);
        multiply_add(sums[tile], {low.x, high.x, low.y, high.y}, {key.x, key.y});
        multiply_add(sums[tile], {low.z, high.z, low.w, high.w}, {key.z, key.w});
      }
    }
  }

  float scale[kHalves];
  uint4 codes[kHalves][kChunks];
  const std::int8_t* keys;
};

/// An attention weight of 15 bits as two codes: eight bits above, seven below.
[[nodiscard]] static inline __device__ std::uint32_t upper_code(std::uint32_t weight) {
  return weight >> 7;
}
[[nodiscard]] static inline __device__ std::uint32_t lower_code(std::uint32_t weight) {
  return weight & 127;
}
[[nodiscard]] static inline __device__ float output_of(std::int32_t upper, std::int32_t lower,
                                                       double factor) {
  return static_cast<float>(static_cast<double>(std::int64_t{upper} * 128 + lower) * factor);
}

/// Calls launch(chunks of a head's codes, as a constant).
template <typename Launch>
void for_chunks(const Attention& job, const Launch& launch) {
  switch (job.heads.depth / kChunk) {
    case 1:
      return launch(std::integral_constant<int, 1>());
    case 2:
      return launch(std::integral_constant<int, 2>());
    case 3:
      return launch(std::integral_constant<int, 3>());
    case 4:
      return launch(std::integral_constant<int, 4>());
    default:
      throw std::logic_error("lmgc: heads beyond kHeadLimit");
  }
}

/// For many queries: memory does not grow with the context.
void attend_many(const Attention& job, std::int64_t lanes, void* stream);
/// For at most 8 queries a slot, and contexts whose scores shared memory holds.
void attend_few(const Attention& job, std::int64_t lanes, void* stream);
/// Whether it does.
[[nodiscard]] bool is_few(const Attention& job);

}  // namespace lmgc::model::cuda
