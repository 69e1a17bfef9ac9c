#pragma once

#include <cstdint>
#include <memory>

#include "stages/stage.h"

namespace lmgc::stages {

/// Values with one step: a parameter's, those of each of its rows, or each so many neighbours'.
enum class Scope : std::uint8_t { kTensor, kRow, kBlock };

struct QuantizeOptions {
  int bits = 8;  ///< 1 to 8; 1: signs
  Scope scope = Scope::kTensor;
  std::int64_t block = 0;  ///< of Scope::kBlock
  bool stochastic = false;
};

/// To integers from -(2^(bits - 1) - 1) to 2^(bits - 1) - 1 times steps, the largest value's size
/// being the largest integer's; rounded to the nearest, or up or down by chance so that the mean is
/// the value. With one bit to signs times the mean size, or by chance the largest; zeros stay.
[[nodiscard]] std::shared_ptr<const Quantizer> make_quantize(QuantizeOptions options);

}  // namespace lmgc::stages
