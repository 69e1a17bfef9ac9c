#include "coder/range_encoder.h"

#include <utility>

namespace lmgc::coder {

void RangeEncoder::encode(Interval interval) {
  const std::uint64_t unit = range_ >> kTotalBits;
  const std::uint64_t start = unit * interval.cumulative;
  low_ += start;
  if (low_ < start) carry();
  range_ = unit * interval.frequency;
  if (range_ < kMinRange) {
    for (int shift = 56; shift >= 32; shift -= 8) bytes_.push_back(std::byte(low_ >> shift));
    low_ <<= 32;
    range_ <<= 32;
  }
}

void RangeEncoder::carry() {
  for (std::size_t i = bytes_.size(); i-- > 0;) {
    bytes_[i] = std::byte(std::to_integer<unsigned>(bytes_[i]) + 1);
    if (bytes_[i] != std::byte{0}) break;
  }
}

std::vector<std::byte> RangeEncoder::finish() && {
  int kept_bits = 8;
  std::uint64_t value = 0;
  for (;; kept_bits += 8) {
    const std::uint64_t below = ~std::uint64_t{0} >> kept_bits;
    value = (low_ + below) & ~below;
    if (value - low_ < range_) break;  // ends at 32 bits at the latest
  }
  if (value < low_) carry();
  for (int shift = 56; shift >= 64 - kept_bits; shift -= 8) {
    bytes_.push_back(std::byte(value >> shift));
  }
  return std::move(bytes_);
}

std::vector<std::byte> encode(std::span<const Interval> intervals) {
  RangeEncoder encoder;
  for (const Interval& interval : intervals) encoder.encode(interval);
  return std::move(encoder).finish();
}

}  // namespace lmgc::coder
