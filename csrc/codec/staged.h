#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "codec/levels.h"

namespace lmgc::codec {

/// How the values that a lossy stage has made are sent. Tensors are 1-D, contiguous, on one device.
struct Staged {
  /// All values, as every rank gets them: values_of() the rest.
  at::Tensor values;

  /// Of a float dtype; defined: those that are kept, as they are.
  at::Tensor floats;

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

/// All `count` values of what is sent, by single IEEE operations: the same bits on any device.
[[nodiscard]] at::Tensor values_of(const Staged& staged, std::int64_t count);

/// The same on the host, for encoding: what is sent is copied, and the values made of it again.
/// Waits for this thread's stream.
[[nodiscard]] Staged on_host(const Staged& staged);

/// The values of a run, a row for each step; zeros follow the last.
[[nodiscard]] at::Tensor by_step(const at::Tensor& values, const StepRun& run);
/// float32 of int16 as they are sent.
[[nodiscard]] at::Tensor floats_of_steps(const at::Tensor& steps);

}  // namespace lmgc::codec
