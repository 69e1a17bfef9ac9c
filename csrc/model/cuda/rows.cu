#include <cstdint>

#include "model/cuda/enqueue.cuh"
#include "model/cuda/launch.h"
#include "model/cuda/warp.cuh"
#include "model/formulas.h"

/// What is done to one row between products, by a warp a row.
namespace lmgc::model::cuda {
namespace {

constexpr unsigned kWarps = 8;  // of a block
constexpr unsigned kThreads = kWarps * kWarp;

[[nodiscard]] unsigned blocks_of(std::int64_t warps) {
  return static_cast<unsigned>((warps + kWarps - 1) / kWarps);
}

[[nodiscard]] __device__ std::int64_t warp_index() {
  return std::int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
}

/// Calls body(i, x[i] four at a time) for this thread's share of a row; past `count` there are
/// zeros.
template <typename Body>
__device__ void for_fours(const float* x, int count, int end, const Body& body) {
  for (int i = 4 * static_cast<int>(lane_of_warp()); i < end; i += 4 * static_cast<int>(kWarp)) {
    float4 four = make_float4(0, 0, 0, 0);
    if (i < count) four = *reinterpret_cast<const float4*>(x + i);
    if (i + 1 >= count) four.y = 0;
    if (i + 2 >= count) four.z = 0;
    if (i + 3 >= count) four.w = 0;
    body(i, four);
  }
}

[[nodiscard]] __device__ std::int32_t largest_bits(float4 x) {
  return max(max(magnitude_bits(x.x), magnitude_bits(x.y)),
             max(magnitude_bits(x.z), magnitude_bits(x.w)));
}

[[nodiscard]] __device__ std::int64_t square_of_code(float x, float inverse) {
  const std::int32_t code = round_to_int(x * inverse);
  return code * code;
}

[[nodiscard]] __device__ std::int32_t sum_of_codes(float4 x, float inverse) {
  return round_to_int(x.x * inverse) + round_to_int(x.y * inverse) + round_to_int(x.z * inverse) +
         round_to_int(x.w * inverse);
}

[[nodiscard]] __device__ char4 codes_of(float4 x, float inverse) {
  return make_char4(static_cast<signed char>(round_to_int(x.x * inverse)),
                    static_cast<signed char>(round_to_int(x.y * inverse)),
                    static_cast<signed char>(round_to_int(x.z * inverse)),
                    static_cast<signed char>(round_to_int(x.w * inverse)));
}

/// Codes of value(i, x[i]), which takes and returns four.
template <typename Value>
__device__ void write_codes(const float* x, int count, const CodeRows& out, std::int64_t row,
                            const Value& value) {
  std::int32_t largest = 0;
  for_fours(x, count, count,
            [&](int i, float4 four) { largest = max(largest, largest_bits(value(i, four))); });
  const Quantizer q = quantizer(warp_max(largest), kCodeLimit);
  std::int8_t* codes = out.codes + row * out.depth;
  for_fours(x, count, static_cast<int>(out.depth), [&](int i, float4 four) {
    *reinterpret_cast<char4*>(codes + i) = codes_of(i < count ? value(i, four) : four, q.inverse);
  });
  if (lane_of_warp() == 0) out.scales[row] = q.scale;
}

__global__ void embed_kernel(const std::int32_t* tokens, std::int64_t rows, int steps,
                             const Embedding embedding, Floats out) {
  const std::int64_t row = warp_index();
  if (row >= rows) return;
  const std::int8_t* from = embedding.codes + tokens[row] * embedding.width;
  const float scale = embedding.scales[tokens[row]];
  const float* position = embedding.positions == nullptr
                              ? nullptr
                              : embedding.positions + row % steps * embedding.width;
  float* to = out.values + row * out.stride;
  for (auto i = std::int64_t{lane_of_warp()}; i < embedding.width; i += kWarp) {
    const float value = static_cast<float>(from[i]) * scale;
    to[i] = position == nullptr ? value : value + position[i];
  }
}

template <bool kLayerNorm>
__global__ void normalize_kernel(Floats x, const std::int32_t* chosen, std::int64_t rows, int width,
                                 const Norm norm, CodeRows out) {
  const std::int64_t row = warp_index();
  if (row >= rows) return;
  const float* from = x.values + (chosen == nullptr ? row : chosen[row]) * x.stride;
  std::int32_t largest = 0;
  for_fours(from, width, width,
            [&](int, float4 four) { largest = max(largest, largest_bits(four)); });
  const Quantizer q = quantizer(warp_max(largest), kWeightLimit);
  std::int64_t sum = 0, squares = 0;
  for_fours(from, width, width, [&](int, float4 four) {
    if constexpr (kLayerNorm) sum += sum_of_codes(four, q.inverse);
    squares += square_of_code(four.x, q.inverse) + square_of_code(four.y, q.inverse) +
               square_of_code(four.z, q.inverse) + square_of_code(four.w, q.inverse);
  });
  squares = warp_sum(squares);
  if constexpr (kLayerNorm) {
    const LayerNormTerms terms =
        layer_norm_terms(warp_sum(sum), squares, width, q.scale, norm.epsilon);
    write_codes(from, width, out, row, [&](int i, float4 four) {
      const float4 gains = *reinterpret_cast<const float4*>(norm.gains + i);
      const float4 biases = *reinterpret_cast<const float4*>(norm.biases + i);
      return make_float4((four.x - terms.mean) * terms.factor * gains.x + biases.x,
                         (four.y - terms.mean) * terms.factor * gains.y + biases.y,
                         (four.z - terms.mean) * terms.factor * gains.z + biases.z,
                         (four.w - terms.mean) * terms.factor * gains.w + biases.w);
    });
  } else {
    const float factor = norm_factor(squares, width, q.scale, norm.epsilon);
    write_codes(from, width, out, row, [&](int i, float4 four) {
      const float4 gains = *reinterpret_cast<const float4*>(norm.gains + i);
      return make_float4(four.x * factor * gains.x, four.y * factor * gains.y,
                         four.z * factor * gains.z, four.w * factor * gains.w);
    });
  }
}

__global__ void quantize_kernel(Floats x, std::int64_t rows, int width, CodeRows out) {
  const std::int64_t row = warp_index();
  if (row >= rows) return;
  write_codes(x.values + row * x.stride, width, out, row, [](int, float4 four) { return four; });
}

/// A warp a head of a row; a thread has kPairs pairs (i, i + half) of it.
template <int kPairs, bool kNormed, bool kRotated>
__global__ void split_heads_kernel(Floats values, int rows, const Heads heads,
                                   const Placement placement, const Queries queries,
                                   const Context context) {
  const auto row = static_cast<int>(warp_index()), head = static_cast<int>(blockIdx.y);
  if (row >= rows) return;
  const int kv_heads = static_cast<int>(heads.kv_heads), group = static_cast<int>(heads.group);
  const int steps = static_cast<int>(heads.steps), width = static_cast<int>(heads.head_width);
  const int half = kRotated ? width / 2 : (width + 1) / 2;
  const int lane = row / steps, step = row % steps, query_heads = kv_heads * group;
  const int position = static_cast<int>(heads.position) + step;
  const bool is_query = head < query_heads, is_value = head >= query_heads + kv_heads;

  const float* from = values.values + row * values.stride + head * heads.head_width;
  float a[kPairs] = {}, b[kPairs] = {};
  const auto for_pairs = [&](const auto& body) {
#pragma unroll
    for (int k = 0; k < kPairs; ++k) {
      const int i = static_cast<int>(lane_of_warp()) + k * static_cast<int>(kWarp);
      if (i < half) body(k, i);
    }
  };
  /// Of an odd width, which is not rotated, the last has no partner.
  const auto has_partner = [&](int i) { return kRotated || half + i < width; };
  const auto quantizer_of_head = [&](std::int32_t limit) {
    std::int32_t largest = 0;
    for_pairs([&](int k, int) {
      largest = max(largest, max(magnitude_bits(a[k]), magnitude_bits(b[k])));
    });
    return quantizer(warp_max(largest), limit);
  };
  for_pairs([&](int k, int i) {
    a[k] = from[i];
    if (has_partner(i)) b[k] = from[half + i];
  });
  if (kNormed && !is_value) {
    const float* gains = is_query ? placement.query_gains : placement.key_gains;
    const Quantizer q = quantizer_of_head(kWeightLimit);
    std::int64_t squares = 0;
    for_pairs([&](int k, int) {
      squares += square_of_code(a[k], q.inverse) + square_of_code(b[k], q.inverse);
    });
    const float factor = norm_factor(warp_sum(squares), width, q.scale, placement.epsilon);
    for_pairs([&](int k, int i) {
      a[k] = a[k] * factor * gains[i];
      if (has_partner(i)) b[k] = b[k] * factor * gains[half + i];
    });
  }
  if (kRotated && !is_value) {
    for_pairs([&](int k, int i) {
      const float cosine = placement.cosines[position * half + i];
      const float sine = placement.sines[position * half + i];
      const float before = a[k];
      a[k] = before * cosine - b[k] * sine;
      b[k] = b[k] * cosine + before * sine;
    });
  }
  const Quantizer q = quantizer_of_head(kCodeLimit);

  std::int8_t* to;          // of the head's first code
  std::int64_t stride = 1;  // of its codes
  float* scale;
  if (is_query) {
    const std::int64_t query = std::int64_t{lane} * kv_heads + head / group;
    const std::int64_t index = (query * steps + step) * group + head % group;
    to = queries.codes + index * heads.depth;
    scale = queries.scales + index;
  } else {
    const std::int64_t slot = std::int64_t{lane} * kv_heads + (head - query_heads) % kv_heads;
    const std::int64_t token = slot * context.capacity + position;
    if (is_value) {
      to = context.values +
           (slot * context.capacity + position / kTokenRun * kTokenRun) * heads.depth +
           position % kTokenRun;
      stride = kTokenRun;
      scale = context.value_scales + token;
    } else {
      to = context.keys + token * heads.depth;
      scale = context.key_scales + token;
    }
  }
  for_pairs([&](int k, int i) {
    to[i * stride] = static_cast<std::int8_t>(round_to_int(a[k] * q.inverse));
    if (has_partner(i)) {
      to[(half + i) * stride] = static_cast<std::int8_t>(round_to_int(b[k] * q.inverse));
    }
  });
  if (lane_of_warp() == 0) *scale = is_query ? q.scale * placement.query_factor : q.scale;
}

template <int kPairs>
[[nodiscard]] auto split_heads_kernel_of(const Placement& placement) {
  const bool is_rotated = placement.cosines != nullptr;
  if (placement.query_gains != nullptr) {
    return is_rotated ? split_heads_kernel<kPairs, true, true>
                      : split_heads_kernel<kPairs, true, false>;
  }
  return is_rotated ? split_heads_kernel<kPairs, false, true>
                    : split_heads_kernel<kPairs, false, false>;
}

}  // namespace

void embed(const std::int32_t* tokens, std::int64_t rows, std::int64_t steps,
           const Embedding& embedding, Floats out, void* stream) {
  enqueue(embed_kernel, {blocks_of(rows), kThreads}, stream, tokens, rows, static_cast<int>(steps),
          embedding, out);
}

void normalize(Floats x, const std::int32_t* chosen, std::int64_t rows, std::int64_t width,
               const Norm& norm, CodeRows out, void* stream) {
  const auto kernel = norm.biases == nullptr ? normalize_kernel<false> : normalize_kernel<true>;
  enqueue(kernel, {blocks_of(rows), kThreads}, stream, x, chosen, rows, static_cast<int>(width),
          norm, out);
}

void quantize(Floats x, std::int64_t rows, std::int64_t width, CodeRows out, void* stream) {
  enqueue(quantize_kernel, {blocks_of(rows), kThreads}, stream, x, rows, static_cast<int>(width),
          out);
}

void split_heads(Floats values, std::int64_t lanes, const Heads& heads, const Placement& placement,
                 const Queries& queries, const Context& context, void* stream) {
  const std::int64_t rows = lanes * heads.steps;
  const auto kernel = heads.head_width <= 2 * kWarp   ? split_heads_kernel_of<1>(placement)
                      : heads.head_width <= 4 * kWarp ? split_heads_kernel_of<2>(placement)
                                                      : split_heads_kernel_of<4>(placement);
  static_assert(kHeadLimit <= 8 * kWarp);
  const dim3 grid(blocks_of(rows), static_cast<unsigned>(heads.kv_heads * (heads.group + 2)));
  enqueue(kernel, {grid, kThreads}, stream, values, static_cast<int>(rows), heads, placement,
          queries, context);
}

}  // namespace lmgc::model::cuda
