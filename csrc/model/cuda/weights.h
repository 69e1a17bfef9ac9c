#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/cuda/launch.h"
#include "model/language_model.h"
#include "model/tensor_reader.h"

namespace lmgc::model::cuda {

/// Of a tensor that may be undefined: null, then.
template <typename T>
[[nodiscard]] const T* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}

/// Tensors of a matrix on the right; see launch.h.
struct Matrix {
  at::Tensor codes, scales;
  at::Tensor biases;  ///< undefined: none
  std::int64_t columns = 0, depth = 0;

  [[nodiscard]] Right right() const;
};

/// [width rounded up to 4]
struct NormTensors {
  at::Tensor gains;
  at::Tensor biases;  ///< undefined: an RMS norm
};

struct Layer {
  NormTensors attention_norm, feed_forward_norm;
  at::Tensor query_norm, key_norm;  ///< gains; undefined: none
  Matrix query_key_value, output;
  Matrix gate_up;  ///< by turns, unless there are no gates
  Matrix down;
};

/// The model's tensors on the device. Those that its family lacks are undefined.
struct Weights {
  /// As model::Weights's; throws c10::ValueError also for heads beyond kHeadLimit.
  Weights(const Architecture& architecture, const TensorMap& tensors, c10::Device device);

  at::Tensor embedding_codes, embedding_scales;
  at::Tensor head_codes, head_scales;  ///< may be the embedding's
  at::Tensor positions;
  at::Tensor cosines, sines;
  NormTensors norm;
  std::int32_t begin_token;
  std::vector<std::int32_t> byte_tokens;
  std::vector<Layer> layers;
};

/// Padded as Right says.
[[nodiscard]] Matrix matrix(const at::Tensor& codes, const at::Tensor& scales,
                            const at::Tensor& biases = {});

}  // namespace lmgc::model::cuda
