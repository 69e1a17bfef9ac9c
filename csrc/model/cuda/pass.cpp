#include "model/cuda/pass.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cmath>

#include "model/kernels.h"

namespace lmgc::model::cuda {
namespace {

Floats floats(const at::Tensor& tensor, std::int64_t width) {
  return {tensor.mutable_data_ptr<float>(), round_up(width, 4)};
}

}  // namespace

Pass::Pass(const Architecture& architecture, c10::Device device, std::int64_t lanes,
           std::int64_t steps)
    : a_(architecture),
      lanes_(lanes),
      steps_(steps),
      rows_(lanes * steps),
      head_depth_(round_up(a_.head_width, kDepthUnit)) {
  const std::int64_t attention_width = a_.heads * a_.head_width;
  const std::int64_t widest =
      std::max((a_.heads + 2 * a_.kv_heads) * a_.head_width, a_.feed_forward);
  const std::int64_t deepest = std::max({a_.width, attention_width, a_.feed_forward});
  const auto options = at::TensorOptions(device);
  residual_ = at::empty({rows_, round_up(a_.width, 4)}, options.dtype(at::kFloat));
  wide_ = at::empty({rows_, round_up(widest, 4)}, options.dtype(at::kFloat));
  codes_ = at::empty({round_up(rows_, kRowUnit), round_up(deepest, kDepthUnit)},
                     options.dtype(at::kChar));
  code_scales_ = at::empty({rows_}, options.dtype(at::kFloat));
  // Zero past head_width, where nobody writes.
  queries_ = at::empty({rows_ * a_.heads, head_depth_}, options.dtype(at::kChar));
  if (head_depth_ != a_.head_width) queries_.zero_();
  query_scales_ = at::empty({rows_ * a_.heads}, options.dtype(at::kFloat));
}

Floats Pass::residual() const { return floats(residual_, a_.width); }

CodeRows Pass::codes(std::int64_t width) const {
  return {codes_.mutable_data_ptr<std::int8_t>(), code_scales_.mutable_data_ptr<float>(),
          round_up(width, kDepthUnit)};
}

Left Pass::left(std::int64_t rows) const {
  return {codes_.const_data_ptr<std::int8_t>(), code_scales_.const_data_ptr<float>(), rows};
}

void Pass::embed(const std::int32_t* tokens, const Embedding& embedding, const Position& position) {
  cuda::embed(tokens, rows_, steps_, embedding, position, residual(), stream_);
}

void Pass::normalize(const at::Tensor& chosen, std::int64_t count, const NormTensors& norm) {
  cuda::normalize(residual(), pointer<std::int32_t>(chosen), count, a_.width,
                  {pointer<float>(norm.gains), pointer<float>(norm.biases), a_.norm_epsilon},
                  codes(a_.width), stream_);
}

void Pass::run(const Layer& layer, const Context& context, const Position& position,
               const float* cosines, const float* sines) {
  const std::int64_t attention_width = a_.heads * a_.head_width;
  const Floats heads = floats(wide_, (a_.heads + 2 * a_.kv_heads) * a_.head_width);
  const Floats mixed = floats(wide_, attention_width);
  const Floats gated = floats(wide_, a_.feed_forward);
  const Heads shape{a_.kv_heads, a_.heads / a_.kv_heads, a_.head_width, head_depth_, position,
                    steps_};
  const Queries queries{queries_.mutable_data_ptr<std::int8_t>(),
                        query_scales_.mutable_data_ptr<float>()};
  const float factor = static_cast<float>(1.0 / std::sqrt(static_cast<double>(a_.head_width)));
  const Placement placement{.query_gains = pointer<float>(layer.query_norm),
                            .key_gains = pointer<float>(layer.key_norm),
                            .epsilon = a_.norm_epsilon,
                            .cosines = cosines,
                            .sines = sines,
                            .query_factor = factor};

  normalize({}, rows_, layer.attention_norm);
  multiply(left(rows_), layer.query_key_value.right(), heads, stream_);
  split_heads(heads, lanes_, shape, placement, queries, context, stream_);
  attend(queries, context, lanes_, shape, mixed, stream_);
  quantize(mixed, rows_, attention_width, codes(attention_width), stream_);
  multiply_accumulate(left(rows_), layer.output.right(), residual(), stream_);

  normalize({}, rows_, layer.feed_forward_norm);
  const auto multiply_inner = a_.gelu ? multiply_gelu : multiply_gate;
  multiply_inner(left(rows_), layer.gate_up.right(), gated, stream_);
  quantize(gated, rows_, a_.feed_forward, codes(a_.feed_forward), stream_);
  multiply_accumulate(left(rows_), layer.down.right(), residual(), stream_);
}

void Pass::read(const at::Tensor& chosen, std::int64_t count, const NormTensors& norm,
                const Matrix& readout, std::int32_t* scores) {
  normalize(chosen, count, norm);
  multiply_score(left(count), readout.right(), scores, stream_);
}

}  // namespace lmgc::model::cuda
