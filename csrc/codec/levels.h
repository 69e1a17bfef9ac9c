#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/parameter.h"
#include "predict/level_model.h"

/// Quantized values: integers times steps.
namespace lmgc::codec {

/// Neighbours in a tensor, of which each `run` values, and a last rest, have one step.
struct StepRun {
  std::uint64_t values, run;

  [[nodiscard]] std::uint64_t steps() const { return (values + run - 1) / run; }
};

/// A step as it is sent: the sign, exponent and 4 highest mantissa bits of a float32. 0: there are
/// no values but 0.
inline constexpr int kDroppedStepBits = 19;
inline constexpr std::uint16_t kLeastStep = 1 << 4, kMostStep = 254 << 4 | 15;

/// A quantized tensor: its values are `integers` times their steps, products in float32.
struct Levels {
  predict::LevelRange range;
  std::vector<StepRun> runs;             ///< one after another
  std::span<const std::uint16_t> steps;  ///< of all runs
  std::span<const std::int8_t> integers;
};

/// Which step a value has.
class StepMap {
 public:
  StepMap(std::span<const StepRun> runs, std::span<const std::uint16_t> steps);

  /// Steps of `count` values from number `start` on.
  void fill(std::size_t start, std::size_t count, float* steps) const;

 private:
  struct Part {
    std::uint64_t end, run, start;
    std::size_t first_step;
  };
  std::vector<Part> parts_;
  std::vector<float> steps_;
};

}  // namespace lmgc::codec
