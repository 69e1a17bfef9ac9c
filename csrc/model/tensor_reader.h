#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/language_model.h"

namespace lmgc::model {

using TensorMap = std::unordered_map<std::string, at::Tensor>;

/// Converted tensors by name, checked: each function throws c10::ValueError that names what is
/// missing or wrong. Tensors come contiguous, on the CPU.
class TensorReader {
 public:
  explicit TensorReader(const TensorMap& tensors) : tensors_(tensors) {}

  [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }
  /// Floats are finite.
  [[nodiscard]] at::Tensor tensor(const std::string& name, at::ScalarType dtype,
                                  at::IntArrayRef shape) const;
  /// Ids within the vocabulary.
  [[nodiscard]] std::vector<std::int32_t> tokens(const std::string& name, std::int64_t count,
                                                 std::int64_t vocabulary) const;
  /// Tokens of the bytes, all different.
  [[nodiscard]] std::vector<std::int32_t> byte_tokens(std::int64_t vocabulary) const;

 private:
  const TensorMap& tensors_;
};

}  // namespace lmgc::model
