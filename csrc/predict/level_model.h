#pragma once

#include <cstddef>
#include <cstdint>

#include "predict/family.h"
#include "prior/frequency.h"

/// How likely each integer is of which a quantized value is a multiple, given its prediction.
///
/// What was quantized is taken to lie around the prediction as Student's t: an integer is as likely
/// as all that rounds to it. No tables of integers: an interval follows from the distribution at
/// its two edges, in float32 +, -, x and integers, the same bits everywhere.
namespace lmgc::predict {

inline constexpr int kMostLevel = 127;

/// The integers that occur: -most to most.
struct LevelRange {
  int most = kMostLevel;  ///< 1 to kMostLevel
  /// Of -1, 0 and 1 the signs: -1 and 1 meet at zero, and zeros are exact.
  bool signs = false;
};

/// Scales of levels, in quarter octaves of a step, are within +-kMaxLevelScale.
inline constexpr int kMaxLevelScale = 48;
/// The member that has the scales' own width.
inline constexpr std::uint8_t kPlainWidth = 2;
/// Predictions beyond this many steps say no more than it.
inline constexpr float kFarthestPrediction = 4096;

/// Between `prediction` and what it is divided by: in steps.
[[nodiscard]] inline float in_steps(float prediction, float step) {
  const float steps = prediction / step;
  const float above = steps > -kFarthestPrediction ? steps : -kFarthestPrediction;  // NaN too
  return above < kFarthestPrediction ? above : kFarthestPrediction;
}

class LevelModel {
 public:
  LevelModel(Member member, LevelRange range);

  /// 1 / 2^(scale / 4), with the member's width. `scale` is cut off at +-kMaxLevelScale.
  [[nodiscard]] float reciprocal(int scale) const;

  /// Of the level, within the range, with its prediction in steps and the scale's reciprocal.
  [[nodiscard]] coder::Interval interval(int level, float prediction, float reciprocal) const {
    const std::uint32_t start = start_of(level, prediction, reciprocal);
    return {start, start_of(level + 1, prediction, reciprocal) - start};
  }

  /// Sum of the frequencies of levels below one; from most() + 1 on the total.
  [[nodiscard]] std::uint32_t start_of(int level, float prediction, float reciprocal) const;
  [[nodiscard]] int most() const { return range_.most; }

  /// The level whose interval holds `target`, which is below coder::kTotalFrequency.
  [[nodiscard]] int find(std::uint32_t target, float prediction, float reciprocal) const;

 private:
  /// In kShared.
  [[nodiscard]] std::uint32_t below(float z) const;

  LevelRange range_;
  int width_;
  std::uint32_t zeros_;         // what zero has beside its probability
  const std::uint32_t* knots_;  // Student's masses in kShared
};

}  // namespace lmgc::predict
