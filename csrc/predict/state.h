#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace lmgc::predict {

static_assert(std::endian::native == std::endian::little, "states are little-endian");

/// Appends numbers to bytes.
class StateWriter {
 public:
  template <typename Number>
  void put(const Number& number) {
    put_all(std::span(&number, 1));
  }
  template <typename Range>
  void put_all(const Range& range) {
    const auto from = std::as_bytes(std::span(range));
    const std::size_t before = bytes_.size();
    bytes_.resize(before + from.size());
    if (!from.empty()) std::memcpy(bytes_.data() + before, from.data(), from.size());
  }

  [[nodiscard]] std::vector<std::byte>& written() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// Takes numbers from the front of bytes. Throws std::invalid_argument when they run out.
class StateReader {
 public:
  explicit StateReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename Number>
  [[nodiscard]] Number take() {
    Number number;
    take_all(std::span(&number, 1));
    return number;
  }
  template <typename Range>
  void take_all(Range&& range) {
    const auto to = std::as_writable_bytes(std::span(range));
    if (to.size() > bytes_.size()) {
      throw std::invalid_argument("lmgc::predict: history's state ends " +
                                  std::to_string(to.size() - bytes_.size()) +
                                  " bytes early; it is truncated");
    }
    if (!to.empty()) std::memcpy(to.data(), bytes_.data(), to.size());
    bytes_ = bytes_.subspan(to.size());
  }

  [[nodiscard]] std::span<const std::byte> rest() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

/// For states that no history wrote.
inline void require(bool holds, const char* what) {
  if (!holds) {
    throw std::invalid_argument(std::string("lmgc::predict: history's state is corrupt: ") + what);
  }
}

}  // namespace lmgc::predict
