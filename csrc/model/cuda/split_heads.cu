#include <cstdint>

#include "model/cuda/enqueue.cuh"
#include "model/cuda/launch.h"
#include "model/cuda/row_warps.cuh"

namespace lmgc::model::cuda {
namespace {

/// Four floats from x[i] on, those before `end`; kWhole: there are four, and x is aligned to them.
template <bool kWhole>
[[nodiscard]] __device__ float4 read_four(const float* x, int i, int end) {
  if constexpr (kWhole) {
    return *reinterpret_cast<const float4*>(x + i);
  } else {
    return make_float4(i < end ? x[i] : 0, i + 1 < end ? x[i + 1] : 0, i + 2 < end ? x[i + 2] : 0,
                       i + 3 < end ? x[i + 3] : 0);
  }
}

template <bool kWhole>
__device__ void write_four(std::int8_t* codes, int i, int end, char4 four) {
  if constexpr (kWhole) {
    *reinterpret_cast<char4*>(codes + i) = four;
  } else {
    if (i < end) codes[i] = four.x;
    if (i + 1 < end) codes[i + 1] = four.y;
    if (i + 2 < end) codes[i + 2] = four.z;
    if (i + 3 < end) codes[i + 3] = four.w;
  }
}

/// x * c + y * s, with `sign` before s.
[[nodiscard]] __device__ float4 rotated(float4 x, float4 c, float4 y, float4 s, float sign) {
  return make_float4(x.x * c.x + sign * (y.x * s.x), x.y * c.y + sign * (y.y * s.y),
                     x.z * c.z + sign * (y.z * s.z), x.w * c.w + sign * (y.w * s.w));
}

/// A warp a row, kLanes threads a head: a thread has four of the head's first half, and those of
/// the other half that belong to them. kWhole: halves are fours, whole ones.
template <unsigned kLanes, bool kWhole, bool kNormed, bool kRotated>
__global__ void split_heads_kernel(Floats values, int rows, const Heads heads,
                                   const Placement placement, const Queries queries,
                                   const Context context) {
  let_next_start();
  wait_for_earlier();
  const auto row = static_cast<int>(warp_index());
  if (row >= rows) return;
  const int kv_heads = static_cast<int>(heads.kv_heads), group = static_cast<int>(heads.group);
  const int steps = static_cast<int>(heads.steps), width = static_cast<int>(heads.head_width);
  const int half = kRotated ? width / 2 : (width + 1) / 2;
  const int lane = row / steps, step = row % steps, query_heads = kv_heads * group;
  const int position = static_cast<int>(heads.position.now()) + step;
  const int i = 4 * static_cast<int>(lane_of_warp() % kLanes);
  const int other_end = width - half;  // of an odd width, which is not rotated, one shorter
  float4 cosines = make_float4(0, 0, 0, 0), sines = cosines;
  if (kRotated && i < half) {
    cosines = read_four<kWhole>(placement.cosines + position * half, i, half);
    sines = read_four<kWhole>(placement.sines + position * half, i, half);
  }

  for (int first = 0; first < query_heads + 2 * kv_heads;
       first += static_cast<int>(kWarp / kLanes)) {
    const int head = first + static_cast<int>(lane_of_warp() / kLanes);
    const bool is_here = head < query_heads + 2 * kv_heads;
    const bool is_query = head < query_heads, is_value = head >= query_heads + kv_heads;
    const float* from = values.values + row * values.stride + head * width;
    float4 a = make_float4(0, 0, 0, 0), b = a;
    if (is_here && i < half) {
      a = read_four<kWhole>(from, i, half);
      b = read_four<kWhole>(from + half, i, other_end);
    }
    const auto quantizer_of_head = [&](std::int32_t limit) {
      return quantizer(warp_max<kLanes>(max(largest_bits(a), largest_bits(b))), limit);
    };
    if constexpr (kNormed) {  // all threads go along, since they wait for each other
      const Quantizer q = quantizer_of_head(kWeightLimit);
      const std::int64_t squares = squares_of_codes(a, q.inverse) + squares_of_codes(b, q.inverse);
      const float factor =
          norm_factor(warp_sum<kLanes>(squares), width, q.scale, placement.epsilon);
      if (is_here && !is_value && i < half) {
        const float* gains = is_query ? placement.query_gains : placement.key_gains;
        a = scaled(a, factor, read_four<kWhole>(gains, i, half));
        b = scaled(b, factor, read_four<kWhole>(gains + half, i, other_end));
      }
    }
    if (kRotated && !is_value && i < half) {
      const float4 before = a;
      a = rotated(a, cosines, b, sines, -1.0F);
      b = rotated(b, cosines, before, sines, 1.0F);
    }
    const Quantizer q = quantizer_of_head(kCodeLimit);
    if (!is_here) continue;

    std::int64_t index;  // of the head, where it goes
    if (is_query) {
      const int kv_head = head / group;
      index = ((std::int64_t{lane} * kv_heads + kv_head) * steps + step) * group + head % group;
    } else {
      const int kv_head = (head - query_heads) % kv_heads;
      index = (std::int64_t{lane} * kv_heads + kv_head) * context.capacity + position;
    }
    if (i < half) {
      std::int8_t* to = (is_query   ? queries.codes
                         : is_value ? context.values
                                    : context.keys) +
                        index * heads.depth;
      write_four<kWhole>(to, i, half, codes_of(a, q.inverse));
      write_four<kWhole>(to + half, i, other_end, codes_of(b, q.inverse));
    }
    if (lane_of_warp() % kLanes == 0) {
      float* scales = is_query   ? queries.scales
                      : is_value ? context.value_scales
                                 : context.key_scales;
      scales[index] = is_query ? q.scale * placement.query_factor : q.scale;
    }
  }
}

template <unsigned kLanes, bool kWhole>
[[nodiscard]] auto split_heads_kernel_of(const Placement& placement) {
  const bool is_rotated = placement.cosines != nullptr;
  if (placement.query_gains != nullptr) {
    return is_rotated ? split_heads_kernel<kLanes, kWhole, true, true>
                      : split_heads_kernel<kLanes, kWhole, true, false>;
  }
  return is_rotated ? split_heads_kernel<kLanes, kWhole, false, true>
                    : split_heads_kernel<kLanes, kWhole, false, false>;
}

template <bool kWhole>
[[nodiscard]] auto split_heads_kernel_of(const Heads& heads, const Placement& placement) {
  static_assert(kHeadLimit <= 8 * kWarp);
  return heads.head_width <= 2 * kWarp   ? split_heads_kernel_of<kWarp / 4, kWhole>(placement)
         : heads.head_width <= 4 * kWarp ? split_heads_kernel_of<kWarp / 2, kWhole>(placement)
                                         : split_heads_kernel_of<kWarp, kWhole>(placement);
}

}  // namespace

void split_heads(Floats values, std::int64_t lanes, const Heads& heads, const Placement& placement,
                 const Queries& queries, const Context& context, void* stream) {
  const std::int64_t rows = lanes * heads.steps;
  const auto kernel = heads.head_width % 8 == 0 ? split_heads_kernel_of<true>(heads, placement)
                                                : split_heads_kernel_of<false>(heads, placement);
  enqueue(kernel, {blocks_of(rows), kRowThreads}, stream, values, static_cast<int>(rows), heads,
          placement, queries, context);
}

}  // namespace lmgc::model::cuda
