#include "coder/bits.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <string>

namespace lmgc::coder {
namespace {

static_assert(std::endian::native == std::endian::little);
constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

std::size_t bytes_of(std::size_t bits) { return (bits + 7) / 8; }

std::size_t checked_bits(std::span<const std::uint8_t> counts, std::size_t values) {
  if (counts.size() != values) {
    throw std::invalid_argument("lmgc::coder: " + std::to_string(values) + " values with " +
                                std::to_string(counts.size()) + " bit counts");
  }
  std::size_t bits = 0;
  std::uint8_t most = 0;
  for (const std::uint8_t count : counts) {
    bits += count;
    most = count > most ? count : most;
  }
  if (most > kMaxFieldBits) {
    throw std::invalid_argument("lmgc::coder: a field of " + std::to_string(most) +
                                " bits, at most " + std::to_string(kMaxFieldBits));
  }
  return bits;
}

std::uint64_t mask(unsigned bits) { return (std::uint64_t{1} << bits) - 1; }

/// 8 bytes, zeros after the last.
std::uint64_t word_at(std::span<const std::byte> bytes, std::size_t at) {
  std::uint64_t word = 0;
  if (at < bytes.size()) {
    std::memcpy(&word, bytes.data() + at, std::min(kWordBytes, bytes.size() - at));
  }
  return word;
}

void check_rest(std::span<const std::byte> bytes, std::size_t bits) {
  if (bytes.size() != bytes_of(bits)) {
    throw StreamError("lmgc::coder: " + std::to_string(bytes.size()) + " bytes for " +
                      std::to_string(bits) + " bits");
  }
  if (bits % 8 != 0 && std::to_integer<unsigned>(bytes.back()) >> (bits % 8) != 0) {
    throw StreamError("lmgc::coder: bits after the last value");
  }
}

}  // namespace

std::vector<std::byte> pack_bits(std::span<const std::uint32_t> values,
                                 std::span<const std::uint8_t> counts) {
  const std::size_t bytes = bytes_of(checked_bits(counts, values.size()));
  std::vector<std::byte> packed(bytes + kWordBytes);
  std::byte* at = packed.data();
  std::uint64_t open = 0;  // the bits from `at` on
  unsigned bits = 0;       // of them, below 8 between values
  for (std::size_t i = 0; i < values.size(); ++i) {
    open |= (values[i] & mask(counts[i])) << bits;
    bits += counts[i];
    std::memcpy(at, &open, kWordBytes);
    at += bits / 8;
    open >>= bits & ~7U;
    bits &= 7;
  }
  packed.resize(bytes);
  return packed;
}

std::size_t packed_bytes(std::span<const std::uint8_t> counts) {
  return bytes_of(checked_bits(counts, counts.size()));
}

void unpack_bits(std::span<const std::byte> bytes, std::span<const std::uint8_t> counts,
                 std::span<std::uint32_t> values) {
  check_rest(bytes, checked_bits(counts, values.size()));
  std::size_t i = 0;
  std::size_t at = 0;  // in bits
  for (; i < values.size() && at / 8 + kWordBytes <= bytes.size(); ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at / 8, kWordBytes);
    values[i] = static_cast<std::uint32_t>(word >> at % 8 & mask(counts[i]));
    at += counts[i];
  }
  for (; i < values.size(); ++i) {
    values[i] = static_cast<std::uint32_t>(word_at(bytes, at / 8) >> at % 8 & mask(counts[i]));
    at += counts[i];
  }
}

std::vector<std::byte> pack_unary(std::span<const std::uint8_t> values) {
  std::size_t bits = values.size();
  for (const std::uint8_t value : values) bits += value;
  std::vector<std::byte> packed(bytes_of(bits));
  std::size_t at = 0;
  for (const std::uint8_t value : values) {
    at += value;
    packed[at / 8] |= std::byte(1 << at % 8);
    ++at;
  }
  return packed;
}

void unpack_unary(std::span<const std::byte> bytes, std::span<std::uint8_t> values) {
  std::uint64_t word = 0;  // unread bits of the last 8 bytes loaded
  std::size_t loaded = 0;  // bytes
  std::size_t left = 0;    // bits
  for (std::uint8_t& value : values) {
    std::size_t zeros = 0;
    while (word == 0) {
      if (loaded >= bytes.size()) throw StreamError("lmgc::coder: unary numbers end early");
      zeros += left;
      word = word_at(bytes, loaded);
      loaded += kWordBytes;
      left = 8 * kWordBytes;
    }
    const auto ending = static_cast<std::size_t>(std::countr_zero(word));
    zeros += ending;
    if (zeros > 255) throw StreamError("lmgc::coder: a unary number above 255");
    value = static_cast<std::uint8_t>(zeros);
    word = word >> ending >> 1;
    left -= ending + 1;
  }
  check_rest(bytes, 8 * loaded - left);
}

}  // namespace lmgc::coder
