#pragma once

#include <bit>
#include <cstdint>

#include "coder/rans_tables.h"
#include "host_device.h"

/// Packed entries of the tables, one layout for every instruction set and device.
namespace lmgc::coder {

/// States lie in [kRansLowest, 2^32) between symbols; one below takes a word of 16 bits.
inline constexpr std::uint32_t kRansLowest = std::uint32_t{1} << 16;

/// state / frequency as (state + addend) * multiplier >> (32 + shift), exact for states that the
/// frequency may meet: those below frequency << kRansLimitShift.
struct RansReciprocal {
  std::uint32_t multiplier;  ///< >= 2^31
  int shift;
  std::uint32_t addend;
};
inline constexpr int kRansLimitShift = 32 - kRansTotalBits;

[[nodiscard]] constexpr RansReciprocal rans_reciprocal(std::uint32_t frequency) {
  if (frequency == 1) return {~std::uint32_t{0}, 0, 1};
  const int shift = static_cast<int>(std::bit_width(frequency - 1)) - 1;
  const std::uint64_t one = std::uint64_t{1} << (32 + shift);
  const std::uint64_t down = one / frequency;
  const std::uint64_t limit = std::uint64_t{frequency} << kRansLimitShift;
  if (one % frequency == 0) return {static_cast<std::uint32_t>(down), shift, 0};
  const std::uint64_t excess = frequency - one % frequency;
  if ((limit - 1) * excess < one) return {static_cast<std::uint32_t>(down + 1), shift, 0};
  return {static_cast<std::uint32_t>(down), shift, 1};
}

/// A quotient rounded up is exact while state * excess < one; rounded down and with the addend,
/// while (state + 1) * remainder <= one.
[[nodiscard]] constexpr bool rans_reciprocals_are_exact() {
  for (std::uint32_t frequency = 2; frequency <= kRansTotal; ++frequency) {
    const RansReciprocal r = rans_reciprocal(frequency);
    const std::uint64_t one = std::uint64_t{1} << (32 + r.shift);
    const std::uint64_t limit = std::uint64_t{frequency} << kRansLimitShift;
    const std::uint64_t product = std::uint64_t{r.multiplier} * frequency;
    if (r.multiplier >> 31 == 0) return false;
    if (r.addend == 0 && (product < one || (limit - 1) * (product - one) >= one)) return false;
    if (r.addend == 1 && (product >= one || limit * (one - product) > one)) return false;
  }
  return true;
}
static_assert(rans_reciprocals_are_exact());

/// From the top: addend 1 bit at 60, shift 4 bits at 56, kRansTotal - frequency 12 bits at 44,
/// cumulative frequency 12 bits at 32, multiplier; all 0 for frequency 0.
[[nodiscard]] constexpr std::uint64_t rans_encoder_entry(std::uint32_t frequency,
                                                         std::uint32_t cumulative) {
  if (frequency == 0) return 0;
  const RansReciprocal r = rans_reciprocal(frequency);
  const std::uint32_t high = r.addend << 28 | static_cast<std::uint32_t>(r.shift) << 24 |
                             (kRansTotal - frequency) << kRansTotalBits | cumulative;
  return std::uint64_t{high} << 32 | r.multiplier;
}

/// From the top: symbol 8 bits, frequency - 1 12 bits, cumulative frequency 12 bits.
[[nodiscard]] constexpr std::uint32_t rans_decoder_entry(std::uint32_t symbol,
                                                         std::uint32_t frequency,
                                                         std::uint32_t cumulative) {
  return symbol << (2 * kRansTotalBits) | (frequency - 1) << kRansTotalBits | cumulative;
}

}  // namespace lmgc::coder
