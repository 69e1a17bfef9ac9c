#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "codec/tile_header.h"
#include "coder/bit_stream.h"
#include "predict/grid.h"
#include "predict/row_kernels.h"
#include "serialize/float_words.h"

namespace lmgc::codec {

/// Raw bits back to values.
template <serialize::DType dtype>
class WordReader {
  using Words = serialize::FloatWords<dtype>;
  using Word = typename Words::Word;

 public:
  WordReader(std::span<const std::byte> bytes, const TrailingZeros& zeros)
      : raw_(bytes), tail_zeros_(zeros.tail), grid_(grid_of(zeros, Words::kLowest)) {}

  [[nodiscard]] const predict::FloatGrid& grid() const { return grid_; }

  /// The rest of values [count], which RowKernels::without_raw_bits began, and their words.
  void read(const std::uint8_t* symbols, const predict::RowPlaces& places,
            const predict::RowValues& row, std::size_t count, Word* words) {
    for (std::size_t j = 0; j < count; ++j) {
      if constexpr (Words::kTailBits == 0) {
        const std::size_t begin = j;
        j = read_plain(row, begin, count);
        for (std::size_t k = begin; k < j; ++k) words[k] = Words::lower(bits_of(row.values[k]));
        if (j == count) return;
      }
      const predict::Place place{places.steps[j], places.centers[j], 0};
      words[j] = read_one(symbols[j], place, row.counts[j], row.values[j]);
    }
  }

  void finish() const { raw_.finish(); }

 private:
  static std::uint32_t bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }

  /// Values from `begin` on whose counts are such; returns the first other one.
  [[gnu::noinline]] std::size_t read_plain(const predict::RowValues& row, std::size_t begin,
                                           std::size_t count) {
    constexpr std::size_t kTogether = 128;
    std::uint32_t bits[kTogether];
    for (;;) {
      coder::BitReader raw = raw_;  // in registers
      const std::size_t end = std::min(begin + kTogether, count);
      std::size_t j = begin;
      for (; j < end && row.counts[j] < predict::kUnary; ++j) {
        bits[j - begin] = static_cast<std::uint32_t>(raw.peek());
        raw.skip(row.counts[j]);
      }
      raw_ = raw;
      kernels_.add_raw_bits(bits, 23 - grid_.mantissa_bits, j - begin,
                            {row.values + begin, row.counts + begin});
      if (j < end || j == count) return j;
      begin = j;
    }
  }

  [[gnu::noinline]] Word read_one(int symbol, const predict::Place& place, int count,
                                  float& value) {
    Word word;
    if (count == predict::kRare && symbol == predict::kEscape) {
      word = static_cast<Word>(raw_.take(Words::kHeadBits) << Words::kTailBits);
    } else {
      word = Words::lower(count == predict::kRare ? read_rare(symbol, place)
                                                  : read_lifted(count, bits_of(value)));
    }
    if constexpr (Words::kTailBits > 0) {
      if (symbol != predict::kZeroSymbol) word |= take_tail();
    }
    value = std::bit_cast<float>(Words::lift(word));
    return word;
  }

  /// A word lifted of which `known` is known.
  [[nodiscard]] std::uint32_t read_lifted(int count, std::uint32_t known) {
    const int shift = 23 - grid_.mantissa_bits;
    if (count != predict::kUnary) {
      return known | static_cast<std::uint32_t>(raw_.take(count)) << shift;
    }
    const std::uint64_t next = raw_.peek();
    const int down = std::countr_zero(next | std::uint64_t{1} << predict::kMaxDown);
    raw_.skip(down + 1 + grid_.mantissa_bits);
    const std::uint32_t mask = (std::uint32_t{1} << grid_.mantissa_bits) - 1;
    return (known - (static_cast<std::uint32_t>(down) << 23)) |
           (static_cast<std::uint32_t>(next >> (down + 1)) & mask) << shift;
  }

  [[nodiscard]] std::uint32_t read_rare(int symbol, const predict::Place& place) {
    int taken = 0;
    const std::uint32_t lifted = predict::value_of(symbol, raw_.peek(), place, grid_, taken);
    raw_.skip(taken);
    return lifted;
  }

  [[nodiscard]] Word take_tail() {
    return static_cast<Word>(raw_.take(Words::kTailBits - tail_zeros_) << tail_zeros_);
  }

  const predict::RowKernels& kernels_ = predict::row_kernels();
  coder::BitReader raw_;
  int tail_zeros_;
  predict::FloatGrid grid_;
};

}  // namespace lmgc::codec
