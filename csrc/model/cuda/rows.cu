#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "model/cuda/enqueue.cuh"
#include "model/cuda/launch.h"
#include "model/cuda/row_warps.cuh"

/// What is done to one row between products, by a warp a row.
namespace lmgc::model::cuda {
namespace {

/// Fours of a row that a thread holds, at most: longer rows are read again each time, which kHeld =
/// 0 says.
constexpr int kMostHeld = 16;

/// A warp's row of floats; past its `count` there are zeros.
template <int kHeld>
class Row {
 public:
  __device__ Row(const float* x, int count) : x_(x), count_(count) {
#pragma unroll
    for (int k = 0; k < kHeld; ++k) held_[k] = read(index(k));
  }

  /// Calls body(i, x[i] four at a time) for this thread's share of the first `end`.
  template <typename Body>
  __device__ void for_fours(int end, const Body& body) const {
    if constexpr (kHeld > 0) {
#pragma unroll
      for (int k = 0; k < kHeld; ++k) {
        if (index(k) < end) body(index(k), held_[k]);
      }
    } else {
      for (int k = 0; index(k) < end; ++k) body(index(k), read(index(k)));
    }
  }

  [[nodiscard]] __device__ int count() const { return count_; }

 private:
  [[nodiscard]] static __device__ int index(int k) {
    return 4 * static_cast<int>(lane_of_warp() + static_cast<unsigned>(k) * kWarp);
  }
  [[nodiscard]] __device__ float4 read(int i) const {
    float4 four = make_float4(0, 0, 0, 0);
    if (i < count_) four = *reinterpret_cast<const float4*>(x_ + i);
    if (i + 1 >= count_) four.y = 0;
    if (i + 2 >= count_) four.z = 0;
    if (i + 3 >= count_) four.w = 0;
    return four;
  }

  const float* x_;
  int count_;
  float4 held_[kHeld > 0 ? kHeld : 1];
};

[[nodiscard]] __device__ std::int32_t sum_of_codes(float4 x, float inverse) {
  return round_to_int(x.x * inverse) + round_to_int(x.y * inverse) + round_to_int(x.z * inverse) +
         round_to_int(x.w * inverse);
}

/// Codes of value(i, x[i]), which takes and returns four.
template <int kHeld, typename Value>
__device__ void write_codes(const Row<kHeld>& x, const CodeRows& out, std::int64_t row,
                            const Value& value) {
  std::int32_t largest = 0;
  x.for_fours(x.count(),
              [&](int i, float4 four) { largest = max(largest, largest_bits(value(i, four))); });
  const Quantizer q = quantizer(warp_max(largest), kCodeLimit);
  x.for_fours(static_cast<int>(out.depth), [&](int i, float4 four) {
    *reinterpret_cast<char4*>(out.codes + place_of(row, i, out.depth)) =
        codes_of(i < x.count() ? value(i, four) : four, q.inverse);
  });
  if (lane_of_warp() == 0) out.scales[row] = q.scale;
}

__global__ void embed_kernel(const std::int32_t* tokens, std::int64_t rows, int steps,
                             const Embedding embedding, const Position before, Floats out) {
  let_next_start();
  wait_for_earlier();
  const std::int64_t row = warp_index();
  if (row >= rows) return;
  const std::int8_t* from = embedding.codes + tokens[row] * embedding.width;
  const float scale = embedding.scales[tokens[row]];
  const float* position =
      embedding.positions == nullptr
          ? nullptr
          : embedding.positions + (before.now() + row % steps) * embedding.width;
  float* to = out.values + row * out.stride;
  for (auto i = std::int64_t{lane_of_warp()}; i < embedding.width; i += kWarp) {
    const float value = static_cast<float>(from[i]) * scale;
    to[i] = position == nullptr ? value : value + position[i];
  }
}

template <int kHeld, bool kLayerNorm>
__global__ void normalize_kernel(Floats x, const std::int32_t* chosen, std::int64_t rows, int width,
                                 const Norm norm, CodeRows out) {
  let_next_start();
  wait_for_earlier();
  const std::int64_t row = warp_index();
  if (row >= rows) return;
  const Row<kHeld> from(x.values + (chosen == nullptr ? row : chosen[row]) * x.stride, width);
  std::int32_t largest = 0;
  from.for_fours(width, [&](int, float4 four) { largest = max(largest, largest_bits(four)); });
  const Quantizer q = quantizer(warp_max(largest), kWeightLimit);
  std::int64_t sum = 0, squares = 0;
  from.for_fours(width, [&](int, float4 four) {
    if constexpr (kLayerNorm) sum += sum_of_codes(four, q.inverse);
    squares += squares_of_codes(four, q.inverse);
  });
  squares = warp_sum(squares);
  if constexpr (kLayerNorm) {
    const LayerNormTerms terms =
        layer_norm_terms(warp_sum(sum), squares, width, q.scale, norm.epsilon);
    write_codes(from, out, row, [&](int i, float4 four) {
      const float4 gains = *reinterpret_cast<const float4*>(norm.gains + i);
      const float4 biases = *reinterpret_cast<const float4*>(norm.biases + i);
      return make_float4((four.x - terms.mean) * terms.factor * gains.x + biases.x,
                         (four.y - terms.mean) * terms.factor * gains.y + biases.y,
                         (four.z - terms.mean) * terms.factor * gains.z + biases.z,
                         (four.w - terms.mean) * terms.factor * gains.w + biases.w);
    });
  } else {
    const float factor = norm_factor(squares, width, q.scale, norm.epsilon);
    write_codes(from, out, row, [&](int i, float4 four) {
      return scaled(four, factor, *reinterpret_cast<const float4*>(norm.gains + i));
    });
  }
}

template <int kHeld>
__global__ void quantize_kernel(Floats x, std::int64_t rows, int width, CodeRows out) {
  let_next_start();
  wait_for_earlier();
  const std::int64_t row = warp_index();
  if (row >= rows) return;
  write_codes(Row<kHeld>(x.values + row * x.stride, width), out, row,
              [](int, float4 four) { return four; });
}

/// Calls launch(fours of a row that a thread holds, as a constant).
template <int kHeld = 1, typename Launch>
void for_held(std::int64_t depth, const Launch& launch) {
  if (depth <= std::int64_t{kHeld} * 4 * kWarp) {
    launch(std::integral_constant<int, kHeld>());
  } else if constexpr (kHeld == kMostHeld) {
    launch(std::integral_constant<int, 0>());
  } else {
    for_held<std::min(kHeld < 6 ? kHeld + 1 : kHeld + kHeld / 3, kMostHeld)>(depth, launch);
  }
}

}  // namespace

void embed(const std::int32_t* tokens, std::int64_t rows, std::int64_t steps,
           const Embedding& embedding, const Position& position, Floats out, void* stream) {
  enqueue(embed_kernel, {blocks_of(rows), kRowThreads}, stream, tokens, rows,
          static_cast<int>(steps), embedding, position, out);
}

void normalize(Floats x, const std::int32_t* chosen, std::int64_t rows, std::int64_t width,
               const Norm& norm, CodeRows out, void* stream) {
  for_held(out.depth, [&](auto held) {
    constexpr int kHeld = decltype(held)::value;
    const auto kernel =
        norm.biases == nullptr ? normalize_kernel<kHeld, false> : normalize_kernel<kHeld, true>;
    enqueue(kernel, {blocks_of(rows), kRowThreads}, stream, x, chosen, rows,
            static_cast<int>(width), norm, out);
  });
}

void quantize(Floats x, std::int64_t rows, std::int64_t width, CodeRows out, void* stream) {
  for_held(out.depth, [&](auto held) {
    enqueue(quantize_kernel<decltype(held)::value>, {blocks_of(rows), kRowThreads}, stream, x, rows,
            static_cast<int>(width), out);
  });
}

}  // namespace lmgc::model::cuda
