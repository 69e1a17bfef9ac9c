#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

/// Student's distributions, by shape: IEEE double +, -, x and / in a fixed order, the same bits
/// everywhere.
namespace lmgc::predict {

inline constexpr int kShapes = 8;

/// 2^(eighths / 8).
[[nodiscard]] double eighths(int count);

/// Student's cumulative distribution at knots: z in steps of 1/64 up to 16, then 64 knots an octave
/// up to 2^30.
class Student {
 public:
  /// Of density (1 + z^2 / n)^-power, n = 2 power - 1 degrees of freedom.
  explicit Student(int power);

  /// Probability below z.
  [[nodiscard]] double below(double z) const {
    const double half = mass(z < 0 ? -z : z);
    return z < 0 ? 0.5 - half : 0.5 + half;
  }

  static constexpr std::size_t kLinearKnots = 1024;
  static constexpr std::size_t kOctaves = 26;
  static constexpr std::size_t kKnots = kLinearKnots + 64 * kOctaves;

  /// Probability between 0 and each knot.
  [[nodiscard]] const std::array<double, kKnots>& masses() const { return mass_; }

 private:
  [[nodiscard]] double mass(double z) const;

  std::array<double, kKnots> mass_;
};

/// That with 1, 3, 5, 7, 11, 15, 31 or 127 degrees of freedom.
[[nodiscard]] const Student& student_of(std::size_t shape);

}  // namespace lmgc::predict
