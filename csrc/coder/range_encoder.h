#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "coder/interval.h"

namespace lmgc::coder {

/// Range below which a coder moves on by one 32-bit word; it keeps the loss of integer division
/// below 2^-8 of a symbol at worst and about 2^-30 on average.
inline constexpr std::uint64_t kMinRange = std::uint64_t{1} << 32;

/// Arithmetic coder (Martin's range coder) of one chunk's symbols, first in, first out.
/// Integer-only.
class RangeEncoder {
 public:
  RangeEncoder() = default;
  RangeEncoder(const RangeEncoder&) = delete;
  RangeEncoder& operator=(const RangeEncoder&) = delete;

  /// Requires frequency > 0 and cumulative + frequency <= kTotalFrequency.
  void encode(Interval interval);

  /// Flushes and hands over the bytes, as few as tell the chunk from all others when zeros follow.
  [[nodiscard]] std::vector<std::byte> finish() &&;

 private:
  void carry();

  std::uint64_t low_ = 0;
  std::uint64_t range_ = ~std::uint64_t{0};  // >= kMinRange between symbols
  std::vector<std::byte> bytes_;
};

/// All of a chunk at once.
[[nodiscard]] std::vector<std::byte> encode(std::span<const Interval> intervals);

}  // namespace lmgc::coder
