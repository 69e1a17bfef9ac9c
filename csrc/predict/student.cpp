#include "predict/student.h"

#include <bit>
#include <utility>

#include "fork.h"
#include "predict/numbers.h"

namespace lmgc::predict {
namespace {

constexpr std::array<int, kShapes> kPowers{1, 2, 3, 4, 6, 8, 16, 64};

/// 2^(k / 8), correctly rounded.
constexpr std::array<double, 8> kEighths{
    0x1.0000000000000p+0, 0x1.172b83c7d517bp+0, 0x1.306fe0a31b715p+0, 0x1.4bfdad5362a27p+0,
    0x1.6a09e667f3bcdp+0, 0x1.8ace5422aa0dbp+0, 0x1.ae89f995ad3adp+0, 0x1.d5818dcfba487p+0};

double knot(std::size_t k) {
  if (k <= Student::kLinearKnots) return static_cast<double>(k) / 64;
  const std::size_t above = k - Student::kLinearKnots;
  return static_cast<double>(64 + above % 64) / 64 *
         wide::power_of_two(4 + static_cast<int>(above / 64));
}

}  // namespace

double eighths(int count) {
  const int octaves = count >> 3;
  return kEighths[static_cast<std::size_t>(count & 7)] * wide::power_of_two(octaves);
}

Student::Student(int power) {
  const double degrees = 2 * power - 1;
  const auto density = [&](double z) {
    const double base = 1 / (1 + z * z / degrees);
    double product = base;
    for (int i = 1; i < power; ++i) product *= base;
    return product;
  };
  double sum = 0;
  for (std::size_t k = 0; k < mass_.size(); ++k) {
    mass_[k] = sum;
    const double z = knot(k);
    const double width = knot(k + 1) - z;
    sum += density(z + width / 2) * width;
  }
  for (double& mass : mass_) mass /= 2 * sum;
}

double Student::mass(double z) const {
  std::size_t k = 0;
  if (z < 16) {
    k = static_cast<std::size_t>(z * 64);
  } else {
    const auto bits = std::bit_cast<std::uint64_t>(z);  // 64 knots an octave: 6 mantissa bits
    k = kLinearKnots + static_cast<std::size_t>((bits >> 46) - (std::uint64_t{1023 + 4} << 6));
  }
  if (k + 1 >= kKnots) return 0.5;
  const double part = (z - knot(k)) / (knot(k + 1) - knot(k));
  return mass_[k] + (mass_[k + 1] - mass_[k]) * part;
}

const Student& student_of(std::size_t shape) {
  static const std::array<Student, kShapes> all = [] {
    const NoFork no_fork;
    return [&]<std::size_t... i>(std::index_sequence<i...>) {
      return std::array<Student, kShapes>{Student(kPowers[i])...};
    }(std::make_index_sequence<kShapes>());
  }();
  return all[shape];
}

}  // namespace lmgc::predict
