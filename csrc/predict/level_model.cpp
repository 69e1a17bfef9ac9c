#include "predict/level_model.h"

#include <algorithm>
#include <array>
#include <bit>

#include "fork.h"
#include "predict/student.h"

namespace lmgc::predict {
namespace {

using coder::kTotalFrequency;

/// What levels share by their probabilities; each has 1 beside it.
constexpr std::uint32_t kLevels = 2 * (kMostLevel + 1);
constexpr std::uint32_t kShared = kTotalFrequency - kLevels;
constexpr std::uint32_t kTotalByShare = kTotalFrequency / coder::kRansTotal;

using Knots = std::array<std::uint32_t, Student::kKnots>;

const Knots& knots_of(std::size_t shape) {
  static const auto all = [] {
    const NoFork no_fork;
    std::array<Knots, kShapes> made;
    for (std::size_t i = 0; i < made.size(); ++i) {
      const auto& masses = student_of(i).masses();
      std::ranges::transform(masses, made[i].begin(), [](double mass) {
        return std::min(static_cast<std::uint32_t>(mass * kShared), kShared / 2);
      });
    }
    return made;
  }();
  return all[shape];
}

/// 1 / 2^(eighths / 8), from -kMostEighths on.
constexpr int kMostEighths = 2 * kMaxLevelScale + kWidths;
const auto& reciprocals() {
  static const auto all = [] {
    const NoFork no_fork;
    std::array<float, 2 * kMostEighths + 1> made;
    for (int i = -kMostEighths; i <= kMostEighths; ++i) {
      made[static_cast<std::size_t>(i + kMostEighths)] = static_cast<float>(eighths(-i));
    }
    return made;
  }();
  return all;
}

}  // namespace

LevelModel::LevelModel(Member member, LevelRange range)
    : range_(range),
      width_(member.width - kPlainWidth),
      zeros_(zero_frequency(member.zeros) * kTotalByShare),
      knots_(knots_of(member.shape).data()) {}

float LevelModel::reciprocal(int scale) const {
  const int within = std::clamp(scale, -kMaxLevelScale, kMaxLevelScale);
  return reciprocals()[static_cast<std::size_t>(2 * within + width_ + kMostEighths)];
}

std::uint32_t LevelModel::below(float z) const {
  constexpr int kFractionBits = 9;
  const float size = z < 0 ? -z : z;
  std::size_t knot;
  std::uint32_t fraction;
  if (size < 16) {
    const auto at = static_cast<std::uint32_t>(size * float{64 << kFractionBits});
    knot = at >> kFractionBits;
    fraction = at & ((1U << kFractionBits) - 1);
  } else {  // 64 knots an octave: 6 mantissa bits
    const auto bits = std::bit_cast<std::uint32_t>(size);
    knot = Student::kLinearKnots + (bits >> 17) - ((127 + 4) << 6);
    fraction = bits >> (17 - kFractionBits) & ((1U << kFractionBits) - 1);
    knot = std::min(knot, Student::kKnots - 2);
  }
  const std::uint32_t rise = knots_[knot + 1] - knots_[knot];
  const auto half =
      static_cast<std::uint32_t>(knots_[knot] + (std::uint64_t{rise} * fraction >> kFractionBits));
  return z < 0 ? kShared / 2 - half : kShared / 2 + half;
}

std::uint32_t LevelModel::start_of(int level, float prediction, float reciprocal) const {
  if (level <= -range_.most) return 0;
  if (level > range_.most) return kTotalFrequency;
  const float edge = range_.signs ? 0.0F : static_cast<float>(level) - 0.5F;
  const std::uint64_t shared = below((edge - prediction) * reciprocal);
  const std::uint32_t zeros = level > 0 ? zeros_ : 0;
  return static_cast<std::uint32_t>(shared * (kShared - zeros_) >> coder::kTotalBits) +
         static_cast<std::uint32_t>(level + range_.most) + zeros;
}

int LevelModel::find(std::uint32_t target, float prediction, float reciprocal) const {
  const float from =
      std::clamp(prediction, -static_cast<float>(range_.most), static_cast<float>(range_.most));
  int level = static_cast<int>(from);
  // Steps that double, then halve: few where levels are far from what was predicted.
  int step = 1;
  if (start_of(level, prediction, reciprocal) > target) {
    while (start_of(level, prediction, reciprocal) > target) {
      level = std::max(level - step, -range_.most);
      step *= 2;
    }
  } else {
    while (start_of(level + step, prediction, reciprocal) <= target) {
      level = std::min(level + step, range_.most);
      step *= 2;
    }
  }
  for (; step > 0; step /= 2) {
    if (level + step <= range_.most && start_of(level + step, prediction, reciprocal) <= target) {
      level += step;
    }
  }
  return level;
}

}  // namespace lmgc::predict
