#pragma once

#include <cstdint>

#include "host_device.h"

/// Arithmetic with the same bits on every compiler, instruction set and device (law 2): integers,
/// and single IEEE operations in a fixed order.
namespace lmgc::exact {

/// Fraction bits of scores (log-probabilities up to a constant, in nats): Q15.16.
inline constexpr int kScoreBits = 16;
/// exp(0) of `exp_q30`.
inline constexpr std::uint32_t kOneQ30 = std::uint32_t{1} << 30;

namespace detail {

/// a * b in Q30, half rounds up. Requires a, b <= 2^31.
[[nodiscard]] LMGC_HOST_DEVICE constexpr std::uint64_t multiply_q30(std::uint64_t a,
                                                                    std::uint64_t b) {
  return (a * b + (kOneQ30 >> 1)) >> 30;
}

}  // namespace detail

/// e^(-distance / 2^16) in Q30, within 2^-29; 0 from a distance of about 21 on.
[[nodiscard]] LMGC_HOST_DEVICE constexpr std::uint32_t exp_q30(std::uint32_t distance) {
  // distance * log2(e) = whole + part; 2^-part = 1 - part ln2 + (part ln2)^2 / 2 - ... by Horner.
  constexpr std::uint64_t kLog2eQ30 = 1549082005;
  constexpr std::uint64_t kLn2Q30 = 744261118;
  if (distance >= std::uint32_t{22} << kScoreBits) return 0;
  const std::uint64_t octaves_q30 = (distance * kLog2eQ30) >> kScoreBits;
  const int whole = static_cast<int>(octaves_q30 >> 30);
  const std::uint64_t x = detail::multiply_q30(octaves_q30 & (kOneQ30 - 1), kLn2Q30);
  std::uint64_t sum = kOneQ30;
  for (std::uint64_t order = 9; order > 0; --order) {
    sum = kOneQ30 - detail::multiply_q30(x, sum) / order;
  }
  return static_cast<std::uint32_t>(sum >> whole);
}
static_assert(exp_q30(0) == kOneQ30 && exp_q30(std::uint32_t{22} << kScoreBits) == 0);
static_assert(exp_q30(std::uint32_t{1} << kScoreBits) - 395007542 + 2 <= 4, "e^-1");
static_assert(exp_q30(std::uint32_t{10} << kScoreBits) - 48748 + 1 <= 2, "e^-10");

}  // namespace lmgc::exact
