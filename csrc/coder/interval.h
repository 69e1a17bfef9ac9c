#pragma once

#include <cstdint>

#include "host_device.h"

namespace lmgc::coder {

inline constexpr int kTotalBits = 24;
/// Sum of the frequencies of every table.
inline constexpr std::uint32_t kTotalFrequency = std::uint32_t{1} << kTotalBits;

/// A symbol's share of the total frequency: [cumulative, cumulative + frequency).
struct Interval {
  std::uint32_t cumulative = 0;
  std::uint32_t frequency = 0;  ///< >= 1
};

/// Of a bit that is a one by `ones` in 2^16.
[[nodiscard]] constexpr Interval interval_of_bit(bool one, std::uint16_t ones) {
  const std::uint32_t start = std::uint32_t{ones} << (kTotalBits - 16);
  return one ? Interval{0, start} : Interval{start, kTotalFrequency - start};
}

}  // namespace lmgc::coder
