#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "model/language_model.h"
#include "model/matrix.h"
#include "model/tensor_reader.h"

namespace lmgc::model {

/// One transformer block. Each matrix's columns are its outputs. What a model lacks is empty.
struct Layer {
  std::vector<float> attention_norm, feed_forward_norm;
  std::vector<float> attention_norm_bias, feed_forward_norm_bias;  ///< of LayerNorm
  std::vector<float> query_norm, key_norm;
  Matrix query_key_value;  ///< heads, then kv_heads, then kv_heads again, each of head_width
  Matrix output;
  Matrix gate_up;  ///< feed_forward gates, then as many ups; of GELU, ups alone
  Matrix down;
  std::vector<float> query_key_value_bias, output_bias, gate_up_bias, down_bias;
};

/// The converted tensors, checked and packed.
struct Weights {
  /// Throws c10::ValueError naming what is missing or wrong.
  Weights(const Architecture& architecture, const TensorMap& tensors);

  at::Tensor embedding_codes, embedding_scales;  ///< [vocabulary, width], [vocabulary]
  at::Tensor head_codes, head_scales;            ///< the embedding, if the file has no others
  std::vector<Layer> layers;
  std::vector<float> norm, norm_bias;
  std::vector<float> positions;       ///< [context, width], or
  std::vector<float> cosines, sines;  ///< [context, head_width / 2]
  std::int32_t begin_token;
  std::vector<std::int32_t> byte_tokens;
};

/// Columns of `gate_up`.
[[nodiscard]] std::int64_t inner_columns(const Architecture& architecture);

/// Throws c10::ValueError for shapes outside what the arithmetic is exact for.
void check(const Architecture& architecture);

}  // namespace lmgc::model
