#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lmgc::codec {

/// Appends integers to bytes, little-endian.
class ByteWriter {
 public:
  template <typename Integer>
  void fixed(Integer value) {
    for (std::size_t i = 0; i < sizeof(Integer); ++i) {
      bytes_.push_back(std::byte(static_cast<std::uint64_t>(value) >> (8 * i)));
    }
  }
  /// 7 bits a byte, lowest first, the top bit set on all but the last.
  void varint(std::uint64_t value);
  void bytes(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }

  [[nodiscard]] std::vector<std::byte>& written() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// Takes integers from the front of bytes. Throws PayloadError (truncated) when they run out.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename Integer>
  [[nodiscard]] Integer fixed() {
    std::uint64_t value = 0;
    const auto taken = bytes(sizeof(Integer));
    for (std::size_t i = 0; i < taken.size(); ++i) {
      value |= std::to_integer<std::uint64_t>(taken[i]) << (8 * i);
    }
    return static_cast<Integer>(value);
  }
  /// Throws PayloadError (corrupt) over 63 bits.
  [[nodiscard]] std::uint64_t varint();
  [[nodiscard]] std::span<const std::byte> bytes(std::size_t count);
  [[nodiscard]] std::span<const std::byte> rest() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace lmgc::codec
