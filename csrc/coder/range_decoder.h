#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "coder/range_encoder.h"

namespace lmgc::coder {

/// Inverse of RangeEncoder. Total: any bytes decode to some symbols; past the end it reads zeros.
class RangeDecoder {
 public:
  /// `bytes` must outlive the decoder.
  explicit RangeDecoder(std::span<const std::byte> bytes);

  /// Next symbol, by its table [alphabet + 1] of cumulative frequencies.
  [[nodiscard]] std::uint16_t decode(std::span<const std::uint32_t> cumulative);

  /// The same in two steps, where there is no table: the next symbol is the one whose interval
  /// holds target(); take() that.
  [[nodiscard]] std::uint32_t target() const;
  void take(prior::Interval interval);

 private:
  [[nodiscard]] std::uint64_t next_word();

  std::span<const std::byte> bytes_;
  std::uint64_t offset_ = 0;  // of the coded value from the encoder's low
  std::uint64_t range_ = ~std::uint64_t{0};
};

}  // namespace lmgc::coder
