#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "coder/stream_error.h"

/// Raw bits without gaps, lowest first; zeros fill the last byte.
namespace lmgc::coder {

class BitWriter {
 public:
  static constexpr int kMaxCount = 56;
  /// Bytes after the last that may be overwritten.
  static constexpr std::size_t kSlackBytes = 8;

  /// `to` must have room for all that is put, and for kSlackBytes.
  explicit BitWriter(std::byte* to) : at_(to) {}

  /// Appends the lowest `count` <= kMaxCount bits of `bits`, which has no others.
  void put(std::uint64_t bits, int count) {
    open_ |= bits << filled_;
    std::memcpy(at_, &open_, sizeof open_);
    filled_ += count;
    at_ += filled_ >> 3;
    open_ >>= filled_ & ~7;
    filled_ &= 7;
  }

  /// After the last byte.
  [[nodiscard]] std::byte* end() const { return at_ + (filled_ > 0 ? 1 : 0); }

 private:
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
    if (byte + sizeof(std::uint64_t) > bytes_.size()) [[unlikely]]
      return last_bits(bytes_, at_);
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
  [[gnu::noinline]] static std::uint64_t last_bits(std::span<const std::byte> bytes,
                                                   std::size_t at) {
    const std::size_t byte = at >> 3;
    if (byte >= bytes.size()) return 0;
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + byte, bytes.size() - byte);
    return word >> (at & 7);
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;  // in bits
};

}  // namespace lmgc::coder
