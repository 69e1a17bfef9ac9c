#include "model/cuda/attention.cuh"
#include "model/cuda/enqueue.cuh"

/// Attention of few queries, as when decoding: a block takes a slot, and shared memory holds its
/// scores, so that all threads share what is done to each.
namespace lmgc::model::cuda {
namespace {

constexpr int kMost = 8;  // queries, as many as half a fragment has rows
constexpr int kWarps = 4;
constexpr int kThreads = kWarps * 32;
constexpr std::int64_t kSharedLimit = 64 << 10;

[[nodiscard]] __host__ __device__ int padded_keys(const Attention& job) {
  const auto keys = static_cast<int>(job.heads.position + job.heads.steps);
  return (keys + kTileKeys - 1) / kTileKeys * kTileKeys;
}

/// A score, and two codes of its weight.
[[nodiscard]] std::int64_t shared_bytes(const Attention& job) {
  return std::int64_t{job.queries_of_slot()} * padded_keys(job) *
         static_cast<std::int64_t>(sizeof(float) + 2);
}

template <int kChunks>
__global__ void __launch_bounds__(kThreads) attend_few_kernel(const Attention job) {
  using Codes = QueryTile<kChunks, false>;
  __shared__ std::int32_t best[kMost], largest[kMost];
  __shared__ std::uint32_t denominator[kMost];
  const int count = job.queries_of_slot(), keys = padded_keys(job);
  auto* const scores = shared_memory<float>();  // [query, key], then the codes
  auto* const upper = reinterpret_cast<std::uint8_t*>(scores + count * keys);
  std::uint8_t* const lower = upper + count * keys;
  const std::int64_t slot = blockIdx.x;
  const float* const key_scales = job.context.key_scales + slot * job.context.capacity;
  const float* const value_scales = job.context.value_scales + slot * job.context.capacity;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32;
  const int g = Codes::g(), t = Codes::t();
  if (thread < kMost) best[thread] = INT32_MIN, largest[thread] = 0, denominator[thread] = 0;
  __syncthreads();

  {
    const Codes queries(job, slot, 0);
    const int seen = job.seen(min(g, count - 1));
    std::int32_t top = INT32_MIN;
    for (int base = warp * kTileKeys; base < keys; base += kWarps * kTileKeys) {
      std::int32_t sums[kTiles][4];
      queries.multiply(base, sums);
      if (g < count) {
#pragma unroll
        for (int tile = 0; tile < kTiles; ++tile) {
          const int key = Codes::key_of(base, tile, 2 * t);
          const float2 scales = *reinterpret_cast<const float2*>(key_scales + key);
          const float first = value_of(sums[tile][0], scales.x, queries.scale[0]);
          const float second = value_of(sums[tile][1], scales.y, queries.scale[0]);
          *reinterpret_cast<float2*>(scores + g * keys + key) = make_float2(first, second);
          if (key < seen) top = max(top, order_bits(bits_of(first)));
          if (key + 1 < seen) top = max(top, order_bits(bits_of(second)));
        }
      }
      __syncwarp();
    }
    top = warp_max<4>(top);
    if (t == 0 && g < count) atomicMax(best + g, top);
  }
  __syncthreads();

  for (int query = 0; query < count; ++query) {
    const float top = float_of(order_bits(best[query]));
    const int seen = job.seen(query);
    std::uint32_t sum = 0;
    std::int32_t most = 0;
    for (int key = thread; key < seen; key += kThreads) {
      float& score = scores[query * keys + key];
      const float weight = exp_of_negative(score - top);
      sum += denominator_term(weight);
      score = weight * value_scales[key];
      most = max(most, magnitude_bits(score));
    }
    sum = warp_sum(sum);
    most = warp_max(most);
    if (thread % 32 == 0) atomicAdd(denominator + query, sum), atomicMax(largest + query, most);
  }
  __syncthreads();

  for (int query = 0; query < count; ++query) {
    const float inverse = quantizer(largest[query], kWeightLimit).inverse;
    const int seen = job.seen(query);
    for (int key = thread; key < keys; key += kThreads) {
      const int at = query * keys + key;
      const auto weight =
          key < seen ? static_cast<std::uint32_t>(round_to_int(scores[at] * inverse)) : 0U;
      upper[at] = static_cast<std::uint8_t>(upper_code(weight));
      lower[at] = static_cast<std::uint8_t>(lower_code(weight));
    }
  }
  __syncthreads();

  // Two fragments of dimensions a warp at a time.
  for (int tile = 2 * warp; tile < kChunks * kTiles; tile += 2 * kWarps) {
    std::int32_t above[2][4] = {}, below[2][4] = {};
    constexpr int kRunBytes = kChunks * kChunk * static_cast<int>(kTokenRun);
    const std::int8_t* values = job.context.values +
                                slot * job.context.capacity * (kChunks * kChunk) + t * kRunBytes +
                                (8 * tile + g) * kTokenRun;
    for (int base = 0; base < keys; base += kTileKeys) {
      uint4 high = make_uint4(0, 0, 0, 0), low = high;
      if (g < count) {
        const int at = g * keys + base + 16 * t;
        high = *reinterpret_cast<const uint4*>(upper + at);
        low = *reinterpret_cast<const uint4*>(lower + at);
      }
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const uint4 value = *reinterpret_cast<const uint4*>(values + base / kTokenRun * kRunBytes +
                                                            8 * i * kTokenRun);
        multiply_add_unsigned(above[i], {high.x, 0, high.y, 0}, value.x, value.y);
        multiply_add_unsigned(above[i], {high.z, 0, high.w, 0}, value.z, value.w);
        multiply_add_unsigned(below[i], {low.x, 0, low.y, 0}, value.x, value.y);
        multiply_add_unsigned(below[i], {low.z, 0, low.w, 0}, value.z, value.w);
      }
    }
    if (g < count) {
      const double factor =
          attention_factor(quantizer(largest[g], kWeightLimit).scale, denominator[g]);
      float* out = job.output(slot, g);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int dimension = 8 * (tile + i / 2) + 2 * t + i % 2;
        if (dimension < job.heads.head_width) {
          out[dimension] = output_of(above[i / 2][i % 2], below[i / 2][i % 2], factor);
        }
      }
    }
    __syncwarp();
  }
}

template <int kChunks>
void launch(const Attention& job, std::int64_t lanes, void* stream) {
  allow_shared_memory(attend_few_kernel<kChunks>, kSharedLimit);
  const dim3 grid(static_cast<unsigned>(lanes * job.heads.kv_heads));
  enqueue(attend_few_kernel<kChunks>, {grid, kThreads, shared_bytes(job)}, stream, job);
}

}  // namespace

bool is_few(const Attention& job) {
  return job.queries_of_slot() <= kMost && shared_bytes(job) <= kSharedLimit;
}

void attend_few(const Attention& job, std::int64_t lanes, void* stream) {
  for_chunks(job, [&](auto chunks) { launch<decltype(chunks)::value>(job, lanes, stream); });
}

}  // namespace lmgc::model::cuda
