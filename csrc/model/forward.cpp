#include "model/forward.h"

#include <algorithm>
#include <cmath>

#include "parallel.h"

namespace lmgc::model {
namespace {

/// Rows a thread takes at least: below that, starting it costs more.
constexpr std::int64_t kGrainRows = 32;
/// Rows a thread needs to work on its own block.
constexpr std::int64_t kSmallestBlockRows = 32;
/// Steps whose attention is computed together.
constexpr std::int64_t kMixSteps = 16;

template <typename T>
std::unique_ptr<T[]> buffer(std::int64_t size) {
  return std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(size));
}

}  // namespace

struct Forward::RowScratch {
  std::unique_ptr<float[]> floats;
  std::unique_ptr<std::int8_t[]> codes;
};

template <typename Body>
void Forward::for_blocks(const Body& body) const {
  const std::int64_t threads = threads_here();
  if (threads == 1 || rows_ < threads * kSmallestBlockRows) {
    for (std::int64_t row = 0; row < rows_; row += kBlockRows) {
      body(Block{row, std::min(row + kBlockRows, rows_)});
    }
    return;
  }
  const std::int64_t blocks = round_up((rows_ + kBlockRows - 1) / kBlockRows, threads);
  const std::int64_t size = (rows_ + blocks - 1) / blocks;
  parallel_ranges(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end && i * size < rows_; ++i) {
      body(Block{i * size, std::min((i + 1) * size, rows_)});
    }
  });
}

template <typename Body>
void Forward::for_rows(Block block, const Body& body) const {
  parallel_ranges(block.end - block.begin, kGrainRows, [&](std::int64_t begin, std::int64_t end) {
    RowScratch scratch{buffer<float>(widest_), buffer<std::int8_t>(widest_)};
    for (std::int64_t i = begin; i < end; ++i) body(block.begin + i, scratch);
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
      position_(position),
      steps_(steps),
      rows_(lanes * steps),
      group_(a_.heads / a_.kv_heads),
      head_depth_(round_up(a_.head_width, kPanelDepth)),
      widest_(round_up(std::max({a_.width, inner_columns(a_), a_.heads * a_.head_width,
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
  for_blocks([&](Block block) {
    embed(block, tokens, token_stride);
    project_heads(block, 0);
  });
  for (std::int64_t layer = 0; layer < a_.layers; ++layer) {
    for_blocks([&](Block block) {
      attend(block, layer);
      feed_forward(block, weights_.layers[static_cast<std::size_t>(layer)]);
      if (layer + 1 < a_.layers) project_heads(block, layer + 1);
    });
  }
}

void Forward::embed(Block block, const std::int32_t* tokens, std::int64_t token_stride) {
  const std::int8_t* codes = weights_.embedding_codes.const_data_ptr<std::int8_t>();
  const float* scales = weights_.embedding_scales.const_data_ptr<float>();
  for (std::int64_t row = block.begin; row < block.end; ++row) {
    const std::int64_t token = tokens[row / steps_ * token_stride + row % steps_];
    float* x = residual_.get() + row * a_.width;
    for (std::int64_t i = 0; i < a_.width; ++i) {
      x[i] = static_cast<float>(codes[token * a_.width + i]) * scales[token];
    }
    if (a_.learned_positions) {
      kernels_.add(weights_.positions.data() + (position_ + row % steps_) * a_.width, a_.width, x);
    }
  }
}

template <typename Write>
void Forward::put_left(Block block, const Matrix& matrix, std::int64_t row, RowScratch& scratch,
                       const Write& write) {
  const std::int64_t depth = matrix.padded_depth();
  std::fill_n(scratch.codes.get() + depth - kPanelDepth, kPanelDepth, std::int8_t{0});
  write(Codes{scratch.codes.get(), left_scales_.get() + row});
  const std::int64_t at = block.begin * widest_ + (row - block.begin) * depth;
  kernels_.prepare(scratch.codes.get(), depth, left_.get() + at * kernels_.prepared_bytes);
}

void Forward::put_normalized(Block block, const Matrix& matrix, std::int64_t row, const float* x,
                             const std::vector<float>& gain, const std::vector<float>& bias,
                             RowScratch& scratch) {
  float* floats = scratch.floats.get();
  put_left(block, matrix, row, scratch, [&](Codes out) {
    if (a_.layer_norm) {
      kernels_.layer_norm(x, gain.data(), bias.data(), a_.width, a_.norm_epsilon, floats, out);
    } else {
      kernels_.normalize(x, gain.data(), a_.width, a_.norm_epsilon, floats, out);
    }
  });
}

void Forward::add_product(Block block, const Matrix& matrix, const std::vector<float>& bias) {
  multiply(block, matrix);
  for_rows(block, [&](std::int64_t row, RowScratch&) {
    float* x = residual_.get() + row * a_.width;
    kernels_.accumulate(sums_of(block, matrix, row), a_.width, x);
    if (!bias.empty()) kernels_.add(bias.data(), a_.width, x);
  });
}

void Forward::multiply(Block block, const Matrix& matrix) {
  const std::int64_t start = block.begin * widest_;
  matrix.multiply(kernels_, left_.get() + start * kernels_.prepared_bytes, block.end - block.begin,
                  sums_.get() + start);
}

Sums Forward::sums_of(Block block, const Matrix& matrix, std::int64_t row) const {
  const std::int64_t at = block.begin * widest_ + (row - block.begin) * matrix.padded_columns();
  return {sums_.get() + at, matrix.scales(), left_scales_[static_cast<std::size_t>(row)]};
}

std::int64_t Forward::query_index(std::int64_t row, std::int64_t kv_head) const {
  return ((row / steps_ * a_.kv_heads + kv_head) * steps_ + row % steps_) * group_;
}

void Forward::project_heads(Block block, std::int64_t layer) {
  const Layer& weights = weights_.layers[static_cast<std::size_t>(layer)];
  const Matrix& heads = weights.query_key_value;
  for_rows(block, [&](std::int64_t row, RowScratch& scratch) {
    const float* x = residual_.get() + row * a_.width;
    put_normalized(block, heads, row, x, weights.attention_norm, weights.attention_norm_bias,
                   scratch);
  });
  multiply(block, heads);
  for_rows(block,
           [&](std::int64_t row, RowScratch& scratch) { split_heads(block, layer, row, scratch); });
}

void Forward::place_head(float* head, const std::vector<float>& gain, std::int64_t position) const {
  const std::int64_t half = a_.head_width / 2;
  if (a_.query_key_norm) {
    kernels_.normalize_head(head, gain.data(), a_.head_width, a_.norm_epsilon);
  }
  if (!a_.learned_positions) {
    kernels_.rotate(head, weights_.cosines.data() + position * half,
                    weights_.sines.data() + position * half, half);
  }
}

void Forward::split_heads(Block block, std::int64_t layer, std::int64_t row, RowScratch& scratch) {
  const Layer& weights = weights_.layers[static_cast<std::size_t>(layer)];
  const Matrix& matrix = weights.query_key_value;
  const std::int64_t position = position_ + row % steps_;
  const float scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(a_.head_width)));
  float* values = scratch.floats.get();
  std::int8_t* codes = scratch.codes.get();
  std::fill_n(codes, head_depth_, std::int8_t{0});
  kernels_.dequantize(sums_of(block, matrix, row), matrix.columns(), values);
  if (const auto& bias = weights.query_key_value_bias; !bias.empty()) {
    kernels_.add(bias.data(), matrix.columns(), values);
  }

  for (std::int64_t head = 0; head < a_.heads; ++head, values += a_.head_width) {
    const std::int64_t index = query_index(row, head / group_) + head % group_;
    float* query_scale = query_scales_.get() + index;
    place_head(values, weights.query_norm, position);
    kernels_.quantize(values, a_.head_width, {codes, query_scale});
    *query_scale *= scale;
    kernels_.prepare(codes, head_depth_,
                     queries_.get() + index * head_depth_ * kernels_.prepared_bytes);
  }
  for (std::int64_t head = 0; head < 2 * a_.kv_heads; ++head, values += a_.head_width) {
    const bool is_key = head < a_.kv_heads;
    const auto to = cache_.head(layer, first_lane_ + row / steps_, head % a_.kv_heads);
    float code_scale = 0;
    if (is_key) place_head(values, weights.key_norm, position);
    kernels_.quantize(values, a_.head_width, {codes, &code_scale});
    if (is_key) {
      cache_.put_key(to, position, codes, code_scale);
    } else {
      cache_.put_value(to, position, codes, code_scale);
    }
  }
}

void Forward::attend(Block block, std::int64_t layer) {
  struct Part {
    std::int64_t row, steps;
  };
  std::vector<Part> parts;
  for (std::int64_t row = block.begin; row < block.end; row += parts.back().steps) {
    parts.push_back({row, std::min({kMixSteps, steps_ - row % steps_, block.end - row})});
  }
  const auto count = static_cast<std::int64_t>(parts.size());
  const std::int64_t part_products =
      2 * a_.head_width * (position_ + steps_) * group_ * std::min(kMixSteps, steps_);
  const std::int64_t grain = kGrainProducts / part_products + 1;
  parallel_ranges(count * a_.kv_heads, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const Part& part = parts[static_cast<std::size_t>(task % count)];
      mix(layer, task / count, part.row, part.steps);
    }
  });

  const Layer& weights = weights_.layers[static_cast<std::size_t>(layer)];
  const std::int64_t width = a_.heads * a_.head_width;
  for_rows(block, [&](std::int64_t row, RowScratch& scratch) {
    put_left(block, weights.output, row, scratch,
             [&](Codes out) { kernels_.quantize(mixed_.get() + row * width, width, out); });
  });
  add_product(block, weights.output, weights.output_bias);
}

void Forward::feed_forward(Block block, const Layer& weights) {
  for_rows(block, [&](std::int64_t row, RowScratch& scratch) {
    const float* x = residual_.get() + row * a_.width;
    put_normalized(block, weights.gate_up, row, x, weights.feed_forward_norm,
                   weights.feed_forward_norm_bias, scratch);
  });
  multiply(block, weights.gate_up);
  for_rows(block, [&](std::int64_t row, RowScratch& scratch) {
    float* inner = scratch.floats.get();
    const std::int64_t columns = weights.gate_up.columns();
    kernels_.dequantize(sums_of(block, weights.gate_up, row), columns, inner);
    if (!weights.gate_up_bias.empty()) kernels_.add(weights.gate_up_bias.data(), columns, inner);
    if (a_.gelu) {
      kernels_.gelu(inner, a_.feed_forward);
    } else {
      kernels_.gate(inner, inner + a_.feed_forward, a_.feed_forward);
    }
    put_left(block, weights.down, row, scratch,
             [&](Codes out) { kernels_.quantize(inner, a_.feed_forward, out); });
  });
  add_product(block, weights.down, weights.down_bias);
}

void Forward::read(std::span<const Wanted> wanted, const Readout& readout) {
  const Matrix& matrix = readout.matrix();
  const auto rows = static_cast<std::int64_t>(wanted.size());
  const Block all = {0, rows};
  for_rows(all, [&](std::int64_t i, RowScratch& scratch) {
    const Wanted& w = wanted[static_cast<std::size_t>(i)];
    put_normalized(all, matrix, i, residual_.get() + (w.lane * steps_ + w.step) * a_.width,
                   weights_.norm, weights_.norm_bias, scratch);
  });
  const auto sums = buffer<std::int32_t>(rows * matrix.padded_columns());
  matrix.multiply(kernels_, left_.get(), rows, sums.get());
  for_rows(all, [&](std::int64_t i, RowScratch&) {
    kernels_.score({sums.get() + i * matrix.padded_columns(), matrix.scales(),
                    left_scales_[static_cast<std::size_t>(i)]},
                   matrix.columns(), wanted[static_cast<std::size_t>(i)].scores);
  });
}

}  // namespace lmgc::model
