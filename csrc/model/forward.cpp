#include "model/forward.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

namespace lmgc::model {
namespace {

/// Rows a thread takes at least: below that, starting it costs more.
constexpr std::int64_t kGrainRows = 8;

template <typename T>
std::unique_ptr<T[]> buffer(std::int64_t size) {
  return std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(size));
}

}  // namespace

struct Forward::RowScratch {
  std::unique_ptr<float[]> floats, more_floats;
  std::unique_ptr<std::int8_t[]> codes;
};

template <typename Body>
void Forward::for_rows(std::int64_t rows, const Body& body) const {
  at::parallel_for(0, rows, kGrainRows, [&](std::int64_t begin, std::int64_t end) {
    RowScratch scratch{buffer<float>(widest_), buffer<float>(widest_),
                       buffer<std::int8_t>(widest_)};
    for (std::int64_t row = begin; row < end; ++row) body(row, scratch);
  });
}

Forward::Forward(const Architecture& architecture, const Weights& weights, KeyValueCache& cache,
                 std::int64_t first_lane, std::int64_t lanes, std::int64_t position,
                 std::int64_t steps)
    : a_(architecture),
      weights_(weights),
      cache_(cache),
      kernels_(kernels()),
      first_lane_(first_lane),
      lanes_(lanes),
      position_(position),
      steps_(steps),
      rows_(lanes * steps),
      group_(a_.heads / a_.kv_heads),
      head_depth_(round_up(a_.head_width, kPanelDepth)),
      widest_(round_up(std::max({a_.width, 2 * a_.feed_forward, a_.heads * a_.head_width,
                                 (a_.heads + 2 * a_.kv_heads) * a_.head_width}),
                       kPanelColumns)),
      residual_(buffer<float>(rows_ * a_.width)),
      mixed_(buffer<float>(rows_ * a_.heads * a_.head_width)),
      left_(buffer<std::byte>(rows_ * widest_ * kernels_.prepared_bytes)),
      left_scales_(buffer<float>(rows_)),
      sums_(buffer<std::int32_t>(rows_ * widest_)),
      queries_(buffer<std::byte>(rows_ * a_.heads * head_depth_ * kernels_.prepared_bytes)),
      query_scales_(buffer<float>(rows_ * a_.heads)) {}

void Forward::run(const std::int32_t* tokens, std::int64_t token_stride) {
  embed(tokens, token_stride);
  for (std::int64_t layer = 0; layer < a_.layers; ++layer) {
    const Layer& weights = weights_.layers[static_cast<std::size_t>(layer)];
    attend(layer, weights);
    feed_forward(weights);
  }
}

void Forward::embed(const std::int32_t* tokens, std::int64_t token_stride) {
  const std::int8_t* codes = weights_.embedding_codes.const_data_ptr<std::int8_t>();
  const float* scales = weights_.embedding_scales.const_data_ptr<float>();
  for (std::int64_t row = 0; row < rows_; ++row) {
    const std::int64_t token = tokens[row / steps_ * token_stride + row % steps_];
    for (std::int64_t i = 0; i < a_.width; ++i) {
      residual_[static_cast<std::size_t>(row * a_.width + i)] =
          static_cast<float>(codes[token * a_.width + i]) * scales[token];
    }
  }
}

template <typename Write>
void Forward::put_left(const Matrix& matrix, std::int64_t row, RowScratch& scratch,
                       const Write& write) {
  const std::int64_t depth = matrix.padded_depth();
  std::fill_n(scratch.codes.get() + depth - kPanelDepth, kPanelDepth, std::int8_t{0});
  write(Codes{scratch.codes.get(), left_scales_.get() + row});
  kernels_.prepare(scratch.codes.get(), depth, left_.get() + row * depth * kernels_.prepared_bytes);
}

void Forward::put_normalized(const Matrix& matrix, std::int64_t row, const float* x,
                             const std::vector<float>& gain, RowScratch& scratch) {
  put_left(matrix, row, scratch, [&](Codes out) {
    kernels_.normalize(x, gain.data(), a_.width, a_.norm_epsilon, scratch.floats.get(), out);
  });
}

Sums Forward::sums_of(const Matrix& matrix, std::int64_t row) const {
  return {sums_.get() + row * matrix.padded_columns(), matrix.scales(),
          left_scales_[static_cast<std::size_t>(row)]};
}

void Forward::attend(std::int64_t layer, const Layer& weights) {
  const Matrix& heads = weights.query_key_value;
  for_rows(rows_, [&](std::int64_t row, RowScratch& scratch) {
    put_normalized(heads, row, residual_.get() + row * a_.width, weights.attention_norm, scratch);
  });
  heads.multiply(kernels_, left_.get(), rows_, sums_.get());
  for_rows(rows_,
           [&](std::int64_t row, RowScratch& scratch) { split_heads(layer, heads, row, scratch); });

  const std::int64_t blocks = (steps_ + kMixSteps - 1) / kMixSteps;
  at::parallel_for(0, lanes_ * a_.kv_heads * blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t step = task % blocks * kMixSteps;
      mix(layer, task / blocks / a_.kv_heads, task / blocks % a_.kv_heads, step,
          std::min(kMixSteps, steps_ - step));
    }
  });

  const std::int64_t width = a_.heads * a_.head_width;
  for_rows(rows_, [&](std::int64_t row, RowScratch& scratch) {
    put_left(weights.output, row, scratch,
             [&](Codes out) { kernels_.quantize(mixed_.get() + row * width, width, out); });
  });
  weights.output.multiply(kernels_, left_.get(), rows_, sums_.get());
}

void Forward::split_heads(std::int64_t layer, const Matrix& matrix, std::int64_t row,
                          RowScratch& scratch) {
  const std::int64_t lane = row / steps_;
  const std::int64_t step = row % steps_;
  const std::int64_t position = position_ + step;
  const std::int64_t half = a_.head_width / 2;
  const float* cosines = weights_.cosines.data() + position * half;
  const float* sines = weights_.sines.data() + position * half;
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(a_.head_width)));
  float* values = scratch.floats.get();
  std::int8_t* codes = scratch.codes.get();
  std::fill_n(codes, head_depth_, std::int8_t{0});
  kernels_.dequantize(sums_of(matrix, row), matrix.columns(), values);

  for (std::int64_t head = 0; head < a_.heads; ++head, values += a_.head_width) {
    const std::int64_t kv_head = head / group_;
    const std::int64_t index =
        ((lane * a_.kv_heads + kv_head) * steps_ + step) * group_ + head % group_;
    float* query_scale = query_scales_.get() + index;
    kernels_.rotate(values, cosines, sines, half);
    kernels_.quantize(values, a_.head_width, {codes, query_scale});
    *query_scale *= scale;
    kernels_.prepare(codes, head_depth_,
                     queries_.get() + index * head_depth_ * kernels_.prepared_bytes);
  }
  for (std::int64_t head = 0; head < 2 * a_.kv_heads; ++head, values += a_.head_width) {
    const bool is_key = head < a_.kv_heads;
    const KeyValueCache::Head to = cache_.head(layer, first_lane_ + lane, head % a_.kv_heads);
    float code_scale = 0;
    if (is_key) kernels_.rotate(values, cosines, sines, half);
    kernels_.quantize(values, a_.head_width, {codes, &code_scale});
    if (is_key) {
      cache_.put_key(to, position, codes, code_scale);
    } else {
      cache_.put_value(to, position, codes, code_scale);
    }
  }
}

void Forward::feed_forward(const Layer& weights) {
  for_rows(rows_, [&](std::int64_t row, RowScratch& scratch) {
    float* x = residual_.get() + row * a_.width;
    kernels_.accumulate(sums_of(weights.output, row), a_.width, x);
    put_normalized(weights.gate_up, row, x, weights.feed_forward_norm, scratch);
  });
  weights.gate_up.multiply(kernels_, left_.get(), rows_, sums_.get());
  for_rows(rows_, [&](std::int64_t row, RowScratch& scratch) {
    float* gates = scratch.floats.get();
    kernels_.dequantize(sums_of(weights.gate_up, row), 2 * a_.feed_forward, gates);
    kernels_.gate(gates, gates + a_.feed_forward, a_.feed_forward);
    put_left(weights.down, row, scratch,
             [&](Codes out) { kernels_.quantize(gates, a_.feed_forward, out); });
  });
  weights.down.multiply(kernels_, left_.get(), rows_, sums_.get());
  for_rows(rows_, [&](std::int64_t row, RowScratch&) {
    kernels_.accumulate(sums_of(weights.down, row), a_.width, residual_.get() + row * a_.width);
  });
}

void Forward::read(std::span<const Wanted> wanted, const Readout& readout) {
  const Matrix& matrix = readout.matrix();
  const auto rows = static_cast<std::int64_t>(wanted.size());
  for_rows(rows, [&](std::int64_t i, RowScratch& scratch) {
    const Wanted& w = wanted[static_cast<std::size_t>(i)];
    put_normalized(matrix, i, residual_.get() + (w.lane * steps_ + w.step) * a_.width,
                   weights_.norm, scratch);
  });
  const auto sums = buffer<std::int32_t>(rows * matrix.padded_columns());
  matrix.multiply(kernels_, left_.get(), rows, sums.get());
  for_rows(rows, [&](std::int64_t i, RowScratch&) {
    kernels_.score({sums.get() + i * matrix.padded_columns(), matrix.scales(),
                    left_scales_[static_cast<std::size_t>(i)]},
                   matrix.columns(), wanted[static_cast<std::size_t>(i)].scores);
  });
}

}  // namespace lmgc::model
