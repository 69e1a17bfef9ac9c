#include "coder/range_decoder.h"

#include <algorithm>

namespace lmgc::coder {

RangeDecoder::RangeDecoder(std::span<const std::byte> bytes) : bytes_(bytes) {
  offset_ = next_word() << 32;
  offset_ |= next_word();
}

std::uint16_t RangeDecoder::decode(std::span<const std::uint32_t> cumulative) {
  const auto above = std::upper_bound(cumulative.begin() + 1, cumulative.end() - 1, target());
  const std::uint32_t start = *(above - 1);
  take({start, *above - start});
  return static_cast<std::uint16_t>(above - cumulative.begin() - 1);
}

std::uint32_t RangeDecoder::target() const {
  const std::uint64_t unit = range_ >> prior::kTotalBits;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(offset_ / unit, prior::kTotalFrequency - 1));
}

void RangeDecoder::take(prior::Interval interval) {
  const std::uint64_t unit = range_ >> prior::kTotalBits;
  offset_ -= unit * interval.cumulative;
  range_ = unit * interval.frequency;
  if (range_ < kMinRange) {
    offset_ = offset_ << 32 | next_word();
    range_ <<= 32;
  }
}

std::uint64_t RangeDecoder::next_word() {
  std::uint64_t word = 0;
  const std::size_t count = std::min<std::size_t>(bytes_.size(), 4);
  for (std::size_t i = 0; i < count; ++i) {
    word |= std::to_integer<std::uint64_t>(bytes_[i]) << (24 - 8 * i);
  }
  bytes_ = bytes_.subspan(count);
  return word;
}

}  // namespace lmgc::coder
