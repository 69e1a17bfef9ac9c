#pragma once

#include <ATen/Functions.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "codec/staged.h"

/// Lossy stages in front of the codec. All is ATen, so that it runs where the values are, and gives
/// the same bits on CPU and CUDA: single IEEE operations, maxima, sums of integers, and orders in
/// which no two are equal. Other ranks never repeat it: they get what it gave.
namespace lmgc::stages {

using Shape = std::vector<std::int64_t>;

/// Values to work on: float32, finite, 1-D, parameters of `shapes` one after another.
struct Input {
  at::Tensor values;
  std::vector<Shape> shapes;
  std::uint64_t shared_key = 0;  ///< the same on all ranks, another for each step and bucket
  std::uint64_t own_key = 0;     ///< another on each rank too
};

/// Values / divisor. By a number, ATen on CUDA multiplies by a reciprocal: other bits.
[[nodiscard]] inline at::Tensor divided(const at::Tensor& values, std::int64_t divisor) {
  return values.div(at::scalar_tensor(divisor, values.options()));
}

/// Chooses the values that are sent.
class Sparsifier {
 public:
  virtual ~Sparsifier() = default;
  /// int64, rising.
  [[nodiscard]] virtual at::Tensor keep(const Input& input) const = 0;
  /// Whether it keeps codec::drawn(..., shared_key).
  [[nodiscard]] virtual bool draws() const { return false; }
};

/// Says with how much precision values are sent: fills `values` of what is sent, and what they are
/// made of. Throws c10::ValueError for values it cannot send.
class Quantizer {
 public:
  virtual ~Quantizer() = default;
  virtual void quantize(const Input& input, codec::Staged& staged) const = 0;
};

}  // namespace lmgc::stages
