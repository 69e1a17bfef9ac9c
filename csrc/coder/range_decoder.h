#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "coder/range_encoder.h"
#include "host_device.h"

namespace lmgc::coder {

/// Inverse of RangeEncoder. Total: any bytes decode to some symbols; past the end it reads zeros.
class RangeDecoder {
 public:
  /// `bytes` must outlive the decoder.
  explicit RangeDecoder(std::span<const std::byte> bytes)
      : RangeDecoder(bytes.data(), bytes.data() + bytes.size()) {}
  LMGC_HOST_DEVICE RangeDecoder(const std::byte* begin, const std::byte* end)
      : next_(begin), end_(end) {
    offset_ = next_word() << 32;
    offset_ |= next_word();
  }

  /// Next symbol, by its table [alphabet + 1] of cumulative frequencies.
  [[nodiscard]] std::uint16_t decode(std::span<const std::uint32_t> cumulative);

  /// The same in two steps, where there is no table: the next symbol is the one whose interval
  /// holds target(); take() that.
  [[nodiscard]] LMGC_HOST_DEVICE std::uint32_t target() const {
    const std::uint64_t at = offset_ / (range_ >> kTotalBits);
    return at < kTotalFrequency ? static_cast<std::uint32_t>(at) : kTotalFrequency - 1;
  }
  LMGC_HOST_DEVICE void take(Interval interval) {
    const std::uint64_t unit = range_ >> kTotalBits;
    offset_ -= unit * interval.cumulative;
    range_ = unit * interval.frequency;
    if (range_ < kMinRange) {
      offset_ = offset_ << 32 | next_word();
      range_ <<= 32;
    }
  }

 private:
  [[nodiscard]] LMGC_HOST_DEVICE std::uint64_t next_word() {
    std::uint64_t word = 0;
    for (int shift = 24; shift >= 0 && next_ != end_; shift -= 8) {
      word |= static_cast<std::uint64_t>(*next_++) << shift;
    }
    return word;
  }

  const std::byte *next_, *end_;
  std::uint64_t offset_ = 0;  // of the coded value from the encoder's low
  std::uint64_t range_ = ~std::uint64_t{0};
};

}  // namespace lmgc::coder
