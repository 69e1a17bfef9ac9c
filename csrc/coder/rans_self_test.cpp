#include <algorithm>
#include <array>
#include <vector>

#include "coder/rans.h"
#include "coder/rans_entries.h"

namespace lmgc::coder {
namespace {

constexpr std::size_t kAlphabet = 40;

struct Noise {
  std::uint32_t state = 12345;
  std::uint32_t bits() {
    state = state * 1664525 + 1013904223;
    return state >> 8;
  }
};

/// From a single certain symbol to all alike, with symbols that never occur.
RansTables tables() {
  std::vector<std::uint16_t> frequencies;
  for (std::uint32_t context = 0; context < 24; ++context) {
    std::array<std::uint32_t, kAlphabet> counts{};
    for (std::uint32_t symbol = 0; symbol < kAlphabet; ++symbol) {
      const std::uint32_t distance = symbol > context ? symbol - context : context - symbol;
      counts[symbol] = distance < 2 * context ? 1 + (1U << 20 >> (distance % 21)) : 0;
    }
    counts[context] = 1U << 26;
    const auto row = rans_frequencies(counts);
    frequencies.insert(frequencies.end(), row.begin(), row.end());
  }
  return {frequencies, kAlphabet};
}

struct Case {
  std::vector<std::uint16_t> contexts;
  std::vector<std::uint8_t> symbols;
  std::size_t lanes;
};

Case noisy_case(const RansTables& tables, std::size_t count, std::size_t lanes) {
  Noise noise;
  const RansView view = tables.view();
  Case made{std::vector<std::uint16_t>(count), std::vector<std::uint8_t>(count), lanes};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t context = noise.bits() % tables.contexts();
    std::size_t symbol = noise.bits() % kAlphabet;
    while (view.encoder[context * view.stride + symbol] == 0) symbol = (symbol + 1) % kAlphabet;
    made.contexts[i] = static_cast<std::uint16_t>(context);
    made.symbols[i] = static_cast<std::uint8_t>(symbol);
  }
  return made;
}

struct Chunk {
  std::vector<std::byte> words;
  std::array<std::uint32_t, kRansMaxLanes> states;
  bool operator==(const Chunk&) const = default;
};

Chunk encoded(const RansKernels& k, const RansTables& tables, const Case& of) {
  const std::size_t count = of.symbols.size();
  std::vector<std::byte> buffer(kRansSlackBytes + 2 * count);
  Chunk chunk{};
  chunk.states.fill(kRansLowest);
  std::byte* end = buffer.data() + buffer.size();
  std::vector<std::uint16_t> cells(count);
  for (std::size_t i = 0; i < count; ++i) cells[i] = cell_of(of.contexts[i], of.symbols[i]);
  std::byte* begin =
      k.encode(tables.view(), cells.data(), count, chunk.states.data(), of.lanes, end);
  if (begin != nullptr) chunk.words.assign(begin, end);
  return chunk;
}

struct Symbols {
  std::vector<std::uint8_t> symbols;
  std::array<std::uint32_t, kRansMaxLanes> states;
  std::ptrdiff_t read;
  bool operator==(const Symbols&) const = default;
};

/// Symbols and states count only where the words sufficed.
Symbols decoded(const RansKernels& k, const RansTables& tables, const Case& of,
                std::vector<std::byte> words, std::array<std::uint32_t, kRansMaxLanes> states) {
  words.reserve(1);  // null would read as failure
  std::vector<std::uint8_t> symbols(of.symbols.size());
  const std::byte* end = words.data() + words.size();
  const std::byte* at = k.decode(tables.view(), of.contexts.data(), symbols.data(), symbols.size(),
                                 states.data(), of.lanes, words.data(), end);
  if (at == nullptr) return {{}, {}, -1};
  return {symbols, states, at - words.data()};
}

bool agrees_on(const RansKernels& candidate, const RansTables& tables, Case one) {
  const Chunk chunk = encoded(kScalarRans, tables, one);
  if (encoded(candidate, tables, one) != chunk) return false;
  if (decoded(candidate, tables, one, chunk.words, chunk.states).symbols != one.symbols) {
    return false;
  }
  Noise noise;
  Chunk other = chunk;
  for (std::uint32_t& state : other.states) state = noise.bits() * noise.bits();
  for (std::byte& byte : other.words) byte = std::byte(noise.bits() & 255);
  const std::size_t half = other.words.size() / 2;
  for (const std::size_t kept : {other.words.size(), half, half | 1}) {
    other.words.resize(std::min(kept, other.words.size()));
    if (decoded(candidate, tables, one, other.words, other.states) !=
        decoded(kScalarRans, tables, one, other.words, other.states)) {
      return false;
    }
  }
  if (one.symbols.empty()) return true;
  one.contexts[one.symbols.size() / 2] = 0;  // where only symbol 0 occurs
  one.symbols[one.symbols.size() / 2] = 1;
  return encoded(candidate, tables, one).words.empty();
}

}  // namespace

bool agrees_with_reference(const RansKernels& candidate) {
  const RansTables all = tables();
  for (std::size_t lanes = 1; lanes <= kRansMaxLanes; lanes *= 2) {
    for (const std::size_t count : {0U, 1U, 7U, 8U, 31U, 32U, 33U, 100U, 1000U, 4001U}) {
      if (!agrees_on(candidate, all, noisy_case(all, count, lanes))) return false;
    }
  }
  return true;
}

}  // namespace lmgc::coder
