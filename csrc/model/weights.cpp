#include "model/weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "model/formulas.h"

namespace lmgc::model {
namespace {

using Shape = std::vector<std::int64_t>;

class Reader {
 public:
  explicit Reader(const TensorMap& tensors) : tensors_(tensors) {}

  [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }

  [[nodiscard]] at::Tensor tensor(const std::string& name, at::ScalarType dtype,
                                  const Shape& shape) const {
    const auto found = tensors_.find(name);
    TORCH_CHECK_VALUE(found != tensors_.end(), "lmgc::model: tensor '", name, "' is missing");
    const at::Tensor& tensor = found->second;
    TORCH_CHECK_VALUE(tensor.scalar_type() == dtype && tensor.sizes() == at::IntArrayRef(shape),
                      "lmgc::model: tensor '", name, "' is ", tensor.scalar_type(), tensor.sizes(),
                      ", expected ", dtype, at::IntArrayRef(shape));
    at::Tensor plain = tensor.detach().to(at::kCPU).contiguous();
    TORCH_CHECK_VALUE(dtype != at::kFloat || at::isfinite(plain).all().item<bool>(),
                      "lmgc::model: tensor '", name, "' holds NaN or infinity");
    return plain;
  }

  [[nodiscard]] std::vector<float> floats(const std::string& name, const Shape& shape) const {
    const at::Tensor t = tensor(name, at::kFloat, shape);
    return {t.const_data_ptr<float>(), t.const_data_ptr<float>() + t.numel()};
  }

  [[nodiscard]] std::vector<float> floats_if(bool present, const std::string& name,
                                             const Shape& shape) const {
    return present ? floats(name, shape) : std::vector<float>();
  }

  [[nodiscard]] std::vector<std::int32_t> tokens(const std::string& name, std::int64_t count,
                                                 std::int64_t vocabulary) const {
    const at::Tensor t = tensor(name, at::kInt, {count});
    std::vector<std::int32_t> ids(t.const_data_ptr<std::int32_t>(),
                                  t.const_data_ptr<std::int32_t>() + count);
    for (const std::int32_t id : ids) {
      TORCH_CHECK_VALUE(id >= 0 && id < vocabulary, "lmgc::model: '", name, "' holds token ", id,
                        ", the vocabulary has ", vocabulary);
    }
    return ids;
  }

  [[nodiscard]] Matrix matrix(const std::string& name, std::int64_t columns,
                              std::int64_t depth) const {
    return {tensor(name + ".codes", at::kChar, {columns, depth}),
            tensor(name + ".scales", at::kFloat, {columns})};
  }

 private:
  const TensorMap& tensors_;
};

Layer read_layer(const Reader& reader, const Architecture& a, const std::string& name) {
  const std::int64_t attention_width = a.heads * a.head_width;
  const std::int64_t heads_width = (a.heads + 2 * a.kv_heads) * a.head_width;
  const std::int64_t inner_width = inner_columns(a);
  const auto norm = [&](const char* part) { return reader.floats(name + part, {a.width}); };
  const auto norm_bias = [&](const char* part) {
    return reader.floats_if(a.layer_norm, name + part + ".bias", {a.width});
  };
  const auto head_norm = [&](const char* part) {
    return reader.floats_if(a.query_key_norm, name + part, {a.head_width});
  };
  const auto bias = [&](const char* part, std::int64_t columns) {
    const std::string full = name + part + ".bias";
    return reader.floats_if(reader.has(full), full, {columns});
  };
  return {.attention_norm = norm("attention_norm"),
          .feed_forward_norm = norm("feed_forward_norm"),
          .attention_norm_bias = norm_bias("attention_norm"),
          .feed_forward_norm_bias = norm_bias("feed_forward_norm"),
          .query_norm = head_norm("query_norm"),
          .key_norm = head_norm("key_norm"),
          .query_key_value = reader.matrix(name + "query_key_value", heads_width, a.width),
          .output = reader.matrix(name + "output", a.width, attention_width),
          .gate_up = reader.matrix(name + "gate_up", inner_width, a.width),
          .down = reader.matrix(name + "down", a.width, a.feed_forward),
          .query_key_value_bias = bias("query_key_value", heads_width),
          .output_bias = bias("output", a.width),
          .gate_up_bias = bias("gate_up", inner_width),
          .down_bias = bias("down", a.width)};
}

}  // namespace

std::int64_t inner_columns(const Architecture& a) {
  return a.gelu ? a.feed_forward : 2 * a.feed_forward;
}

void check(const Architecture& a) {
  const auto within = [](const char* name, std::int64_t value, std::int64_t most) {
    TORCH_CHECK_VALUE(value >= 1 && value <= most, "lmgc::model: architecture has ", name, " = ",
                      value, ", supported: 1 to ", most);
  };
  within("layers", a.layers, 1024);
  within("width", a.width, kDepthLimit);
  within("feed_forward", a.feed_forward, kDepthLimit);
  within("heads", a.heads, 1024);
  within("kv_heads", a.kv_heads, a.heads);
  within("head_width", a.head_width, 1024);
  within("heads * head_width", a.heads * a.head_width, kDepthLimit);
  within("vocabulary", a.vocabulary, std::int64_t{1} << 24);
  within("context", a.context, kContextLimit);
  TORCH_CHECK_VALUE(a.heads % a.kv_heads == 0, "lmgc::model: ", a.heads,
                    " heads do not divide among ", a.kv_heads, " kv_heads");
  TORCH_CHECK_VALUE(a.learned_positions || a.head_width % 2 == 0, "lmgc::model: head_width is ",
                    a.head_width, ", rotary embedding needs an even one");
  TORCH_CHECK_VALUE(a.norm_epsilon > 0 && std::isfinite(a.norm_epsilon),
                    "lmgc::model: norm_epsilon is ", a.norm_epsilon,
                    ", expected a positive number");
}

Weights::Weights(const Architecture& a, const TensorMap& tensors) {
  check(a);
  const Reader reader(tensors);
  embedding_codes = reader.tensor("embedding.codes", at::kChar, {a.vocabulary, a.width});
  embedding_scales = reader.tensor("embedding.scales", at::kFloat, {a.vocabulary});
  const bool tied = !reader.has("head.codes");
  head_codes =
      tied ? embedding_codes : reader.tensor("head.codes", at::kChar, {a.vocabulary, a.width});
  head_scales = tied ? embedding_scales : reader.tensor("head.scales", at::kFloat, {a.vocabulary});
  norm = reader.floats("norm", {a.width});
  norm_bias = reader.floats_if(a.layer_norm, "norm.bias", {a.width});
  const bool learned = a.learned_positions;
  positions = reader.floats_if(learned, "positions", {a.context, a.width});
  cosines = reader.floats_if(!learned, "rope.cosines", {a.context, a.head_width / 2});
  sines = reader.floats_if(!learned, "rope.sines", {a.context, a.head_width / 2});
  begin_token = reader.tokens("begin_token", 1, a.vocabulary).front();
  byte_tokens = reader.tokens("byte_tokens", 256, a.vocabulary);
  std::vector<std::int32_t> sorted = byte_tokens;
  std::ranges::sort(sorted);
  TORCH_CHECK_VALUE(std::ranges::adjacent_find(sorted) == sorted.end(),
                    "lmgc::model: 'byte_tokens' gives two bytes the same token");
  for (std::int64_t i = 0; i < a.layers; ++i) {
    layers.push_back(read_layer(reader, a, "layers." + std::to_string(i) + "."));
  }
}

}  // namespace lmgc::model
