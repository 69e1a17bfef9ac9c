#pragma once

#include <cstdint>

#include "model/cuda/launch.h"
#include "model/cuda/warp.cuh"

/// What attention works on, and what a thread of a warp has of it.
namespace lmgc::model::cuda {

inline constexpr int kTileKeys = 64;          // as many as a thread's fragments B are wide
inline constexpr int kTiles = kTileKeys / 8;  // of fragment B
inline constexpr int kKeys = kTileKeys / 4;   // of a tile, a thread's
inline constexpr int kChunk = static_cast<int>(kDepthUnit);  // of a head's codes

/// What a launch works on. A slot is a lane's key-value head.
struct Attention {
  Queries queries;
  Context context;
  Heads heads;
  Floats out;

  [[nodiscard]] __host__ __device__ int queries_of_slot() const {
    return static_cast<int>(heads.steps * heads.group);
  }
  /// Tiles of so many queries.
  [[nodiscard]] __host__ __device__ int tiles_of_slot(int queries) const {
    return (queries_of_slot() + queries - 1) / queries;
  }
  /// Keys that a query of a slot sees, of which `position` come before the first step.
  [[nodiscard]] __host__ __device__ int seen(std::int64_t position, int query) const {
    return static_cast<int>(position) + query / static_cast<int>(heads.group) + 1;
  }
  /// Keys that some query before this one sees.
  [[nodiscard]] __host__ __device__ int seen_before(std::int64_t position, int query) const {
    const int count = queries_of_slot();
    return seen(position, (query < count ? query : count) - 1);
  }
  /// Tiles of them, at most.
  [[nodiscard]] __host__ __device__ int key_tiles_before(int query) const {
    return (seen_before(heads.position.most, query) + kTileKeys - 1) / kTileKeys;
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

[[nodiscard]] static inline __device__ int thread_g() {
  return static_cast<int>(lane_of_warp()) / 4;
}
[[nodiscard]] static inline __device__ int thread_t() {
  return static_cast<int>(lane_of_warp()) % 4;
}

/// What thread 4 g + t of a warp has of a tile of kQueries queries and kTileKeys keys. 16: of
/// queries g and g + 8, keys 16 t ... 16 t + 15. 8: of query g. 4: of query g % 4, half of them,
/// the upper one if g >= 4, so that no thread idles. Order inside sums is free, so what a thread
/// reads lies side by side.
template <int kQueries>
struct Share {
  static constexpr int kHalves = kQueries > 8 ? 2 : 1;
  static constexpr int kCount = kQueries < 8 ? kKeys / 2 : kKeys;  // keys
  using Values = float[kHalves][kCount];

  [[nodiscard]] static __device__ int query(int half) {
    return kQueries < 8 ? thread_g() % kQueries : thread_g() + 8 * half;
  }
  [[nodiscard]] static __device__ bool is_upper() { return kQueries < 8 && thread_g() >= kQueries; }
  [[nodiscard]] static __device__ int first_key() {
    return kKeys * thread_t() + (is_upper() ? kCount : 0);
  }
  /// Of all threads of a query.
  [[nodiscard]] static __device__ std::int32_t largest(std::int32_t x) {
    x = warp_max<4>(x);
    return kQueries < 8 ? max(x, __shfl_xor_sync(~0U, x, 4 * kQueries)) : x;
  }
  template <typename Integer>
  [[nodiscard]] static __device__ Integer sum(Integer x) {
    x = warp_sum<4>(x);
    return kQueries < 8 ? x + __shfl_xor_sync(~0U, x, 4 * kQueries) : x;
  }
};

}  // namespace lmgc::model::cuda
