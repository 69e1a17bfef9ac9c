#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "codec/levels.h"

namespace lmgc::codec {

/// How the values that a lossy stage has made are sent. Tensors are 1-D, contiguous, on the host.
struct Staged {
  /// All values, as every rank gets them.
  at::Tensor values;

  /// int8; defined: those that are kept are integers (float32) times their steps.
  at::Tensor integers;
  at::Tensor steps;  ///< int16, of all runs
  predict::LevelRange range;
  std::vector<StepRun> runs;

  /// int64, rising; defined: values at other places are +0.0, and values are float32.
  at::Tensor kept;
  /// With it the kept ones are drawn().
  std::optional<std::uint64_t> seed;
};

}  // namespace lmgc::codec
