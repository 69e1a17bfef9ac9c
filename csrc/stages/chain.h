#pragma once

#include <memory>

#include "stages/stage.h"

namespace lmgc::stages {

/// A sparsifier, a quantizer of what that keeps, or both. Immutable and thread-safe.
class Chain {
 public:
  Chain(std::shared_ptr<const Sparsifier> sparsifier, std::shared_ptr<const Quantizer> quantizer);

  /// Of finite float32 values, on their device. Throws c10::ValueError.
  [[nodiscard]] codec::Staged apply(const Input& input) const;

 private:
  std::shared_ptr<const Sparsifier> sparsifier_;  // null: all values are sent
  std::shared_ptr<const Quantizer> quantizer_;    // null: as they are
};

/// Index of the first parameter with a NaN or an infinity.
[[nodiscard]] std::optional<std::size_t> first_not_finite(const at::Tensor& values,
                                                          std::span<const Shape> shapes);

}  // namespace lmgc::stages
