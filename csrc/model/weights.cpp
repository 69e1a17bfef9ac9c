#include "model/weights.h"

#include <cmath>
#include <string>

#include "model/formulas.h"

namespace lmgc::model {
namespace {

std::vector<float> floats(const TensorReader& reader, const std::string& name,
                          at::IntArrayRef shape) {
  const at::Tensor t = reader.tensor(name, at::kFloat, shape);
  return {t.const_data_ptr<float>(), t.const_data_ptr<float>() + t.numel()};
}

std::vector<float> floats_if(bool present, const TensorReader& reader, const std::string& name,
                             at::IntArrayRef shape) {
  return present ? floats(reader, name, shape) : std::vector<float>();
}

Matrix matrix(const TensorReader& reader, const std::string& name, std::int64_t columns,
              std::int64_t depth) {
  return {reader.tensor(name + ".codes", at::kChar, {columns, depth}),
          reader.tensor(name + ".scales", at::kFloat, {columns})};
}

Layer read_layer(const TensorReader& reader, const Architecture& a, const std::string& name) {
  const std::int64_t attention_width = a.heads * a.head_width;
  const std::int64_t heads_width = (a.heads + 2 * a.kv_heads) * a.head_width;
  const std::int64_t inner_width = inner_columns(a);
  const auto norm = [&](const char* part) { return floats(reader, name + part, {a.width}); };
  const auto norm_bias = [&](const char* part) {
    return floats_if(a.layer_norm, reader, name + part + ".bias", {a.width});
  };
  const auto head_norm = [&](const char* part) {
    return floats_if(a.query_key_norm, reader, name + part, {a.head_width});
  };
  const auto bias = [&](const char* part, std::int64_t columns) {
    const std::string full = name + part + ".bias";
    return floats_if(reader.has(full), reader, full, {columns});
  };
  return {.attention_norm = norm("attention_norm"),
          .feed_forward_norm = norm("feed_forward_norm"),
          .attention_norm_bias = norm_bias("attention_norm"),
          .feed_forward_norm_bias = norm_bias("feed_forward_norm"),
          .query_norm = head_norm("query_norm"),
          .key_norm = head_norm("key_norm"),
          .query_key_value = matrix(reader, name + "query_key_value", heads_width, a.width),
          .output = matrix(reader, name + "output", a.width, attention_width),
          .gate_up = matrix(reader, name + "gate_up", inner_width, a.width),
          .down = matrix(reader, name + "down", a.width, a.feed_forward),
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
  const TensorReader reader(tensors);
  embedding_codes = reader.tensor("embedding.codes", at::kChar, {a.vocabulary, a.width});
  embedding_scales = reader.tensor("embedding.scales", at::kFloat, {a.vocabulary});
  const bool tied = !reader.has("head.codes");
  head_codes =
      tied ? embedding_codes : reader.tensor("head.codes", at::kChar, {a.vocabulary, a.width});
  head_scales = tied ? embedding_scales : reader.tensor("head.scales", at::kFloat, {a.vocabulary});
  norm = floats(reader, "norm", {a.width});
  norm_bias = floats_if(a.layer_norm, reader, "norm.bias", {a.width});
  const bool learned = a.learned_positions;
  positions = floats_if(learned, reader, "positions", {a.context, a.width});
  cosines = floats_if(!learned, reader, "rope.cosines", {a.context, a.head_width / 2});
  sines = floats_if(!learned, reader, "rope.sines", {a.context, a.head_width / 2});
  begin_token = reader.tokens("begin_token", 1, a.vocabulary).front();
  byte_tokens = reader.byte_tokens(a.vocabulary);
  for (std::int64_t i = 0; i < a.layers; ++i) {
    layers.push_back(read_layer(reader, a, "layers." + std::to_string(i) + "."));
  }
}

}  // namespace lmgc::model
