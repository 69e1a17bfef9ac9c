#include "serialize/planes.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace lmgc::serialize {

static_assert(std::endian::native == std::endian::little, "payloads are little-endian");

namespace {

/// The bytes of the raw plane that hold the group starting at value `at`.
template <int kRawBits, typename Byte>
std::span<Byte> group_part(std::span<Byte> raw, std::size_t at) {
  const std::size_t start = at / 8 * kRawBits;
  return raw.subspan(start, std::min<std::size_t>(kGroupValues / 8 * kRawBits, raw.size() - start));
}

}  // namespace

void split(DType dtype, std::span<const std::byte> values, std::span<std::uint16_t> symbols,
           std::span<std::byte> raw) {
  with_planes(dtype, [&]<typename Word, int kRawBits>() {
    for (std::size_t at = 0; at < symbols.size(); at += kGroupValues) {
      const std::size_t count = std::min(kGroupValues, symbols.size() - at);
      Word group[kGroupValues];
      std::uint32_t words[kRawBits + 1];
      std::memcpy(group, values.data() + at * sizeof(Word), count * sizeof(Word));
      split_group<Word, kRawBits>(group, count, symbols.data() + at, words);
      const auto part = group_part<kRawBits>(raw, at);
      std::copy_n(std::as_bytes(std::span(words)).begin(), part.size(), part.begin());
    }
  });
}

void join(DType dtype, std::span<const std::uint16_t> symbols, std::span<const std::byte> raw,
          std::span<std::byte> values) {
  with_planes(dtype, [&]<typename Word, int kRawBits>() {
    for (std::size_t at = 0; at < symbols.size(); at += kGroupValues) {
      const std::size_t count = std::min(kGroupValues, symbols.size() - at);
      Word group[kGroupValues];
      std::uint32_t words[kRawBits + 1] = {};
      const auto part = group_part<kRawBits>(raw, at);
      std::copy(part.begin(), part.end(), std::as_writable_bytes(std::span(words)).begin());
      join_group<Word, kRawBits>(symbols.data() + at, words, count, group);
      std::memcpy(values.data() + at * sizeof(Word), group, count * sizeof(Word));
    }
  });
}

}  // namespace lmgc::serialize
