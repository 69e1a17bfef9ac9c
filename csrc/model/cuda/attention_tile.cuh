#pragma once

#include <cfloat>
#include <cstdint>
#include <type_traits>

#include "model/cuda/key_products.cuh"
#include "model/cuda/weighted_values.cuh"

namespace lmgc::model::cuda {

/// What a warp keeps of a tile of keys.
template <int kQueries>
constexpr std::int64_t kKeptBytes = std::int64_t{sizeof(float)} * kQueries * kTileKeys;

/// Attention of a tile of queries, by a warp, in three passes over the keys: the largest product;
/// weights, their denominator and the largest; weighted values. What spans a row are integer sums
/// and maxima, of numbers: their order, and which zero is larger, change nothing (law 2). A thread
/// needs in a pass what it made in the one before: it keeps that in shared memory, or makes it
/// anew.
template <int kChunks, int kQueries, bool kKept>
class Tile {
  using Mine = Share<kQueries>;
  using Values = typename Mine::Values;
  static constexpr int kHalves = Mine::kHalves, kCount = Mine::kCount;

 public:
  /// `position`: tokens before the first step; `kept`: this warp's.
  __device__ Tile(const Attention& job, std::int64_t slot, int tile, std::int64_t position,
                  float4* kept)
      : job_(job),
        slot_(slot),
        first_(tile * kQueries),
        end_(job.seen_before(position, first_ + kQueries)),
        products_(job, slot, first_),
        value_scales_(job.context.value_scales + slot * job.context.capacity),
        kept_(kept) {
    const int count = job.queries_of_slot();
    seen_by_all_ = job.seen(position, first_);
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      const int query = min(first_ + Mine::query(half), count - 1);
      seen_[half] = job.seen(position, query);
      scale_[half] = job.queries.scales[slot * count + query];
    }
  }

  __device__ void run() {
    find_largest_products();
    find_weights();
    for (int chunk = 0; chunk < kChunks; ++chunk) mix(chunk);
  }

 private:
  [[nodiscard]] __device__ bool sees(int half, int base, int i) const {
    return base + Mine::first_key() + i < seen_[half];
  }

  __device__ void keep(int base, const Values& values) const {
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
#pragma unroll
      for (int i = 0; i < kCount; i += 4) {
        *kept_at(base, half, i) = make_float4(values[half][i], values[half][i + 1],
                                              values[half][i + 2], values[half][i + 3]);
      }
    }
  }

  __device__ void recall(int base, Values& values) const {
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
#pragma unroll
      for (int i = 0; i < kCount; i += 4) {
        const float4 four = *kept_at(base, half, i);
        values[half][i] = four.x, values[half][i + 1] = four.y;
        values[half][i + 2] = four.z, values[half][i + 3] = four.w;
      }
    }
  }

  [[nodiscard]] __device__ float4* kept_at(int base, int half, int i) const {
    const int four = (base / kTileKeys * kHalves + half) * (kCount / 4) + i / 4;
    return kept_ + four * static_cast<int>(kWarp) + lane_of_warp();
  }

  /// Calls body(base, whether all queries see all keys of the tile, as a constant) for tiles of
  /// keys.
  template <typename Body>
  __device__ void for_key_tiles(const Body& body) const {
    int base = 0;
    for (; base + kTileKeys <= seen_by_all_; base += kTileKeys) body(base, std::true_type());
    for (; base < end_; base += kTileKeys) body(base, std::false_type());
  }

  __device__ void find_largest_products() {
    float largest[kHalves];
#pragma unroll
    for (int half = 0; half < kHalves; ++half) largest[half] = -FLT_MAX;
    auto keys = products_.read(0, end_);
    for_key_tiles([&](int base, auto all) {
      Values products;
      products_.multiply(base, keys, products);
      if (base + kTileKeys < end_) keys = products_.read(base + kTileKeys, end_);
      if constexpr (kKept) keep(base, products);
#pragma unroll
      for (int half = 0; half < kHalves; ++half) {
#pragma unroll
        for (int i = 0; i < kCount; ++i) {
          const bool seen = decltype(all)::value || sees(half, base, i);
          largest[half] = fmaxf(largest[half], seen ? products[half][i] : -FLT_MAX);
        }
      }
    });
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      // The query's scale keeps their order.
      const std::int32_t bits = Mine::largest(order_bits(bits_of(largest[half])));
      top_[half] = float_of(order_bits(bits)) * scale_[half];
    }
  }

  /// Relative to the largest of the row, in units of what the values are; zero if unseen. `each`
  /// gets half, whether seen, weight without and with those units.
  template <typename All, typename Each>
  __device__ void weights_of_tile(int base, All, Values& values, const Each& each) const {
    if constexpr (kKept) {
      recall(base, values);
    } else {
      products_.multiply(base, products_.read(base, end_), values);
    }
    float scales[kCount];
    read_run(value_scales_ + base + Mine::first_key(), scales);
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const bool seen = All::value || sees(half, base, i);
        const float weight = exp_of_negative(values[half][i] * scale_[half] - top_[half]);
        values[half][i] = seen ? weight * scales[i] : 0.0F;
        each(half, seen, weight, values[half][i]);
      }
    }
  }

  __device__ void find_weights() {
    std::uint32_t denominator[kHalves] = {};
    float largest[kHalves] = {};
    for_key_tiles([&](int base, auto all) {
      Values weights;
      weights_of_tile(base, all, weights, [&](int half, bool seen, float weight, float weighted) {
        denominator[half] += seen ? denominator_term(weight) : 0;
        largest[half] = fmaxf(largest[half], weighted);
      });
      if constexpr (kKept) keep(base, weights);
    });
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      const Quantizer q = quantizer(Mine::largest(bits_of(largest[half])), kWeightLimit);
      inverse_[half] = q.inverse;
      factor_[half] = attention_factor(q.scale, Mine::sum(denominator[half]));
    }
  }

  /// One chunk of the outputs.
  __device__ void mix(int chunk) const {
    constexpr int kDepth = kChunks * kChunk;
    const std::int8_t* from = job_.context.values + slot_ * job_.context.capacity * kDepth +
                              kKeys * thread_t() * kDepth + chunk * kChunk + 8 * thread_g();
    WeightedValues<kQueries> sums;
    const int end = end_ - kKeys * thread_t();
    ValueCodes values = read_values(from, kDepth, end);
    const auto add = [&](int base, auto all) {
      Values weights;
      if constexpr (kKept) {
        recall(base, weights);
      } else {
        weights_of_tile(base, all, weights, [](int, bool, float, float) {});
      }
      sums.add(weights, inverse_, values);
      const int next = base + kTileKeys;
      if (next < end_) values = read_values(from + next * kDepth, kDepth, end - next);
    };
    if constexpr (kKept) {  // unseen ones are zero
      for (int base = 0; base < end_; base += kTileKeys) add(base, std::true_type());
    } else {
      for_key_tiles(add);
    }
#pragma unroll
    for (int half = 0; half < kHalves; ++half) {
      const int query = first_ + Mine::query(half);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float eight[8];
#pragma unroll
        for (int tile = 0; tile < kTiles; ++tile) {
          eight[tile] =
              output_of(sums.above(tile, half, i), sums.below(tile, half, i), factor_[half]);
        }
        if (query < job_.queries_of_slot() && !Mine::is_upper()) {
          write(job_.output(slot_, query), chunk * kChunk + 8 * (2 * thread_t() + i), eight);
        }
      }
    }
  }

  /// Those of a head that there are.
  __device__ void write(float* out, int first, const float (&eight)[8]) const {
    const int width = static_cast<int>(job_.heads.head_width);
    if (width % 8 == 0) {
      if (first >= width) return;
      auto* const to = reinterpret_cast<float4*>(out + first);
      to[0] = make_float4(eight[0], eight[1], eight[2], eight[3]);
      to[1] = make_float4(eight[4], eight[5], eight[6], eight[7]);
      return;
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      if (first + i < width) out[first + i] = eight[i];
    }
  }

  const Attention& job_;
  std::int64_t slot_;
  int first_;
  int end_;  // of the keys that any of these queries sees
  KeyProducts<kChunks, kQueries> products_;
  const float* value_scales_;
  float4* kept_;
  int seen_by_all_, seen_[kHalves];
  float scale_[kHalves], top_[kHalves], inverse_[kHalves];
  double factor_[kHalves];
};

}  // namespace lmgc::model::cuda
