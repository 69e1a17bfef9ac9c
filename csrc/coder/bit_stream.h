#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "coder/stream_error.h"

/// Raw bits without gaps, lowest first; zeros fill the last byte.
namespace lmgc::coder {

class BitWriter {
 public:
  static constexpr int kMaxCount = 56;

  /// With room for `most` bits.
  explicit BitWriter(std::size_t most)
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(most / 8 + 1 + sizeof open_)),
        at_(bytes_.get()) {}

  /// Appends the lowest `count` <= kMaxCount bits of `bits`, which has no others.
  void put(std::uint64_t bits, int count) {
    open_ |= bits << filled_;
    std::memcpy(at_, &open_, sizeof open_);
    filled_ += count;
    at_ += filled_ >> 3;
    open_ >>= filled_ & ~7;
    filled_ &= 7;
  }

  /// Valid while nothing else is put.
  [[nodiscard]] std::span<const std::byte> written() const {
    return {bytes_.get(), at_ + (filled_ > 0 ? 1 : 0)};
  }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::byte* at_;           // after the bytes written for good
  std::uint64_t open_ = 0;  // the bits after them
  int filled_ = 0;          // of `open_`, below 8
};

class BitReader {
 public:
  static constexpr int kVisibleBits = 57;

  /// `bytes` must outlive the reader.
  explicit BitReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  /// The next kVisibleBits bits, or more; zeros after the last byte.
  [[nodiscard]] std::uint64_t peek() const {
    const std::size_t byte = at_ >> 3;
    if (byte + sizeof(std::uint64_t) > bytes_.size()) [[unlikely]] return last_bits();
    std::uint64_t word;
    std::memcpy(&word, bytes_.data() + byte, sizeof word);
    return word >> (at_ & 7);
  }
  void skip(int count) { at_ += static_cast<std::size_t>(count); }

  [[nodiscard]] std::uint64_t take(int count) {
    const std::uint64_t bits = peek() & ((std::uint64_t{1} << count) - 1);
    skip(count);
    return bits;
  }

  /// Throws StreamError unless what was read ends in the last byte and zeros fill it.
  void finish() const {
    if ((at_ + 7) >> 3 != bytes_.size() || (at_ % 8 != 0 && peek() != 0)) {
      throw StreamError("lmgc::coder: raw bits end early or late");
    }
  }

 private:
  [[gnu::noinline]] std::uint64_t last_bits() const {
    const std::size_t byte = at_ >> 3;
    if (byte >= bytes_.size()) return 0;
    std::uint64_t word = 0;
    std::memcpy(&word, bytes_.data() + byte, bytes_.size() - byte);
    return word >> (at_ & 7);
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;  // in bits
};

}  // namespace lmgc::coder
