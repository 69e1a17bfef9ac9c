#pragma once

#include <cstdint>

#include "model/cuda/attention.cuh"
#include "model/cuda/tensor_core.cuh"
#include "model/formulas.h"

namespace lmgc::model::cuda {

template <int kCount>
__device__ void read_run(const float* from, float (&to)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; i += 4) {
    const float4 four = *reinterpret_cast<const float4*>(from + i);
    to[i] = four.x, to[i + 1] = four.y, to[i + 2] = four.z, to[i + 3] = four.w;
  }
}

/// Products with the keys of a tile, in the scale of the keys.
template <int kChunks, int kQueries>
class KeyProducts {
  using Mine = Share<kQueries>;
  static constexpr int kHalves = Mine::kHalves;

 public:
  __device__ KeyProducts(const Attention& job, std::int64_t slot, int first)
      : keys_(job.context.keys + slot * job.context.capacity * (kChunks * kChunk)),
        scales_(job.context.key_scales + slot * job.context.capacity) {
    const int count = job.queries_of_slot();
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      const std::int64_t query = slot * count + min(first + Mine::query(half), count - 1);
      const std::int8_t* from = job.queries.codes + query * (kChunks * kChunk) + 16 * thread_t();
#pragma unroll
      for (int chunk = 0; chunk < kChunks; ++chunk) {
        codes_[half][chunk] = *reinterpret_cast<const uint4*>(from + chunk * kChunk);
      }
    }
  }

  /// The keys' codes of a tile, as multiply takes them.
  struct Codes {
    uint4 of[kTiles][kChunks];
  };

  /// Zeros from key `end` on.
  [[nodiscard]] __device__ Codes read(int base, int end) const {
    Codes codes;
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      // Column c of a fragment is key 16 (c / 2) + 2 tile + c % 2, so that thread t has 16 t + ...
      const int key = base + thread_g() / 2 * kKeys + 2 * tile + thread_g() % 2;
      const std::int8_t* from = keys_ + key * (kChunks * kChunk) + 16 * thread_t();
#pragma unroll
      for (int chunk = 0; chunk < kChunks; ++chunk) {
        codes.of[tile][chunk] = make_uint4(0, 0, 0, 0);
        if (key < end) {
          codes.of[tile][chunk] = *reinterpret_cast<const uint4*>(from + chunk * kChunk);
        }
      }
    }
    return codes;
  }

  __device__ void multiply(int base, const Codes& keys, typename Mine::Values& products) const {
    float scales[Mine::kCount];
    read_run(scales_ + base + Mine::first_key(), scales);
    std::int32_t sums[kTiles][4];
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[tile][i] = kZero;
#pragma unroll
      for (int chunk = 0; chunk < kChunks; ++chunk) {
        const uint4 key = keys.of[tile][chunk], low = codes_[0][chunk];
        const uint4 high = kHalves == 2 ? codes_[kHalves - 1][chunk] : make_uint4(0, 0, 0, 0);
        multiply_add(sums[tile], {low.x, high.x, low.y, high.y}, {key.x, key.y});
        multiply_add(sums[tile], {low.z, high.z, low.w, high.w}, {key.z, key.w});
      }
    }
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
#pragma unroll
      for (int i = 0; i < Mine::kCount; ++i) {
        std::int32_t sum = sums[i / 2][2 * half + i % 2];
        if constexpr (Mine::kCount < kKeys) {
          if (Mine::is_upper()) sum = sums[(i + Mine::kCount) / 2][i % 2];
        }
        products[half][i] = (float_of(sum) - float_of(kZero)) * scales[i];
      }
    }
  }

 private:
  /// Bits of a float whose unit is 1, with room for sums on both sides: adding an integer to the
  /// bits adds it to the number.
  static constexpr std::int32_t kZero = 0x4B400000;
  static_assert(kHeadLimit * kCodeLimit * kCodeLimit < 1 << 22);

  uint4 codes_[kHalves][kChunks];
  const std::int8_t* keys_;
  const float* scales_;
};

}  // namespace lmgc::model::cuda
