#include "model/cuda/attention.cuh"
#include "model/cuda/enqueue.cuh"

/// Attention in three passes over the keys, each of which computes the dot products anew: the
/// largest, then the denominator and the largest weight, then the weighted values. Integers decide
/// what spans a row (law 2).
namespace lmgc::model::cuda {
namespace {

constexpr int kWarps = 4;  // of a block

template <int kChunks, bool kUpper>
class Tile : QueryTile<kChunks, kUpper> {
  using Base = QueryTile<kChunks, kUpper>;
  using Base::g, Base::t, Base::key_of, Base::kHalves;

 public:
  __device__ Tile(const Attention& job, std::int64_t slot, int first)
      : Base(job, slot, first), job_(job), slot_(slot), first_(first) {
    const int count = job.queries_of_slot();
    for (int half = 0; half < kHalves; ++half) {
      seen_[half] = job.seen(min(first + 8 * half + g(), count - 1));
    }
    end_ = job.seen(min(first + kTileQueries, count) - 1);
    key_scales_ = job.context.key_scales + slot * job.context.capacity;
    value_scales_ = job.context.value_scales + slot * job.context.capacity;
  }

  __device__ void run() {
    std::int32_t best[kHalves];
    for (int half = 0; half < kHalves; ++half) best[half] = INT32_MIN;
    for_keys([&](int half, int key, float value) {
      best[half] = max(best[half], key < seen_[half] ? order_bits(bits_of(value)) : INT32_MIN);
    });
    for (int half = 0; half < kHalves; ++half) {
      top_[half] = float_of(order_bits(warp_max<4>(best[half])));
    }

    std::uint32_t denominator[kHalves] = {};
    std::int32_t largest[kHalves] = {};
    for_keys([&](int half, int key, float value) {  // no branches: they would wait for each other
      const bool seen = key < seen_[half];
      const float weight = exp_of_negative(value - top_[half]);
      denominator[half] += seen ? denominator_term(weight) : 0;
      largest[half] = max(largest[half], seen ? magnitude_bits(weight * value_scales_[key]) : 0);
    });
    double factor[kHalves];
    for (int half = 0; half < kHalves; ++half) {
      const Quantizer q = quantizer(warp_max<4>(largest[half]), kWeightLimit);
      inverse_[half] = q.inverse;
      factor[half] = attention_factor(q.scale, warp_sum<4>(denominator[half]));
    }
    for (int chunk = 0; chunk < kChunks; ++chunk) mix(chunk, factor);
  }

 private:
  /// Calls body(half, key, value of the dot product), all of this thread.
  template <typename Body>
  __device__ void for_keys(const Body& body) const {
    for (int base = 0; base < end_; base += kTileKeys) {
      std::int32_t sums[kTiles][4];
      this->multiply(base, sums);
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) {
        const int key = key_of(base, tile, 2 * t());
        const float2 scales = *reinterpret_cast<const float2*>(key_scales_ + key);
#pragma unroll
        for (int half = 0; half < kHalves; ++half) {
          body(half, key, value_of(sums[tile][2 * half], scales.x, this->scale[half]));
          body(half, key + 1, value_of(sums[tile][2 * half + 1], scales.y, this->scale[half]));
        }
      }
    }
  }

  [[nodiscard]] __device__ std::uint32_t weight_of(int half, int key, std::int32_t sum) const {
    const float value = value_of(sum, key_scales_[key], this->scale[half]);
    const std::int32_t weight =
        round_to_int(exp_of_negative(value - top_[half]) * value_scales_[key] * inverse_[half]);
    return key < seen_[half] ? static_cast<std::uint32_t>(weight) : 0;
  }

  /// One chunk of the outputs.
  __device__ void mix(int chunk, const double (&factor)[kHalves]) const {
    std::int32_t above[kTiles][4] = {}, below[kTiles][4] = {};
    constexpr int kRunBytes = kChunks * kChunk * static_cast<int>(kTokenRun);
    const std::int8_t* values = job_.context.values +
                                slot_ * job_.context.capacity * (kChunks * kChunk) +
                                t() * kRunBytes + (chunk * kChunk + g()) * kTokenRun;
    for (int base = 0; base < end_; base += kTileKeys) {
      std::int32_t sums[kTiles][4];
      this->multiply(base, sums);
      // Of keys 16 t ... in fours: two tiles have them.
      std::uint32_t upper[kHalves][4], lower[kHalves][4];
#pragma unroll
      for (int half = 0; half < kHalves; ++half) {
#pragma unroll
        for (int four = 0; four < 4; ++four) {
          upper[half][four] = 0, lower[half][four] = 0;
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            const int tile = 2 * four + i / 2;
            const int key = key_of(base, tile, 2 * t() + i % 2);
            const std::uint32_t weight = weight_of(half, key, sums[tile][2 * half + i % 2]);
            upper[half][four] |= upper_code(weight) << (8 * i);
            lower[half][four] |= lower_code(weight) << (8 * i);
          }
        }
      }
      std::uint32_t a[4][4];
      fragment(upper, 0, a[0]), fragment(upper, 2, a[1]);
      fragment(lower, 0, a[2]), fragment(lower, 2, a[3]);
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) {
        const uint4 value = *reinterpret_cast<const uint4*>(values + base / kTokenRun * kRunBytes +
                                                            8 * tile * kTokenRun);
        multiply_add_unsigned(above[tile], a[0], value.x, value.y);
        multiply_add_unsigned(above[tile], a[1], value.z, value.w);
        multiply_add_unsigned(below[tile], a[2], value.x, value.y);
        multiply_add_unsigned(below[tile], a[3], value.z, value.w);
      }
    }

    for (int half = 0; half < kHalves; ++half) {
      const int query = first_ + 8 * half + g();
      if (query >= job_.queries_of_slot()) continue;
      float* out = job_.output(slot_, query);
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) {
        for (int i = 0; i < 2; ++i) {
          const int dimension = chunk * kChunk + 8 * tile + 2 * t() + i;
          if (dimension >= job_.heads.head_width) continue;
          out[dimension] =
              output_of(above[tile][2 * half + i], below[tile][2 * half + i], factor[half]);
        }
      }
    }
  }

  static __device__ void fragment(const std::uint32_t (&fours)[kHalves][4], int i,
                                  std::uint32_t (&to)[4]) {
    to[0] = fours[0][i], to[2] = fours[0][i + 1];
    to[1] = kUpper ? fours[kHalves - 1][i] : 0, to[3] = kUpper ? fours[kHalves - 1][i + 1] : 0;
  }

  const Attention& job_;
  std::int64_t slot_;
  int first_, seen_[kHalves];
  int end_;  // of the keys that any of these queries sees
  float top_[kHalves], inverse_[kHalves];
  const float *key_scales_, *value_scales_;
};

template <int kChunks, bool kUpper>
__global__ void __launch_bounds__(kWarps * 32, kChunks > 1 ? 1 : 3)
    attend_many_kernel(const Attention job, int tiles) {
  const int tile = static_cast<int>(blockIdx.y) * kWarps + static_cast<int>(threadIdx.x) / 32;
  if (tile >= tiles) return;
  Tile<kChunks, kUpper>(job, blockIdx.x, tile * kTileQueries).run();
}

template <int kChunks>
void launch(const Attention& job, std::int64_t lanes, void* stream) {
  const int count = job.queries_of_slot();
  const int tiles = (count + kTileQueries - 1) / kTileQueries;
  const int warps = tiles < kWarps ? tiles : kWarps;
  const dim3 grid(static_cast<unsigned>(lanes * job.heads.kv_heads),
                  static_cast<unsigned>((tiles + kWarps - 1) / kWarps));
  const auto kernel =
      count > 8 ? attend_many_kernel<kChunks, true> : attend_many_kernel<kChunks, false>;
  enqueue(kernel, {grid, static_cast<unsigned>(warps * 32)}, stream, job, tiles);
}

}  // namespace

void attend_many(const Attention& job, std::int64_t lanes, void* stream) {
  for_chunks(job, [&](auto chunks) { launch<decltype(chunks)::value>(job, lanes, stream); });
}

void attend(const Queries& queries, const Context& context, std::int64_t lanes, const Heads& heads,
            Floats out, void* stream) {
  const Attention job{queries, context, heads, out};
  is_few(job) ? attend_few(job, lanes, stream) : attend_many(job, lanes, stream);
}

}  // namespace lmgc::model::cuda
