#include "fuzz_coder.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <vector>

#include "coder/rans.h"

namespace {

using namespace lmgc::coder;

constexpr std::size_t kAlphabet = 256;
constexpr std::size_t kContexts = 9;

/// From all symbols alike to one all but certain.
const RansTables& tables() {
  static const RansTables made = [] {
    std::vector<std::uint16_t> frequencies;
    for (std::uint32_t context = 0; context < kContexts; ++context) {
      std::array<std::uint32_t, kAlphabet> counts;
      for (std::uint32_t i = 0; i < kAlphabet; ++i) counts[i] = 1 + (i % 5 == 0 ? context * i : 0);
      counts[context] += 1U << (3 * context);
      const auto row = rans_frequencies(counts);
      frequencies.insert(frequencies.end(), row.begin(), row.end());
    }
    return RansTables(frequencies, kAlphabet);
  }();
  return made;
}

std::optional<std::vector<std::uint8_t>> decoded(std::span<const std::byte> bytes,
                                                 std::span<const std::uint16_t> contexts,
                                                 const RansKernels& kernels) {
  std::vector<std::uint8_t> symbols(contexts.size());
  try {
    RansDecoder decoder(tables(), bytes, symbols.size(), kernels);
    decoder.decode(contexts, symbols);
    decoder.finish();
  } catch (const StreamError&) {
    return std::nullopt;
  }
  return symbols;
}

std::vector<std::uint16_t> some_contexts(std::size_t count) {
  std::vector<std::uint16_t> contexts(count);
  for (std::size_t i = 0; i < count; ++i) {
    contexts[i] = static_cast<std::uint16_t>(i * i % kContexts);
  }
  return contexts;
}

}  // namespace

void fuzz_coder(std::uint8_t choice, std::span<const std::byte> bytes) {
  const auto contexts = some_contexts(choice * std::size_t{40});
  const auto expected = decoded(bytes, contexts, kScalarRans);
  const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const std::vector<std::uint8_t> symbols(begin, begin + bytes.size());
  const auto own_contexts = some_contexts(symbols.size());
  const std::size_t blocks[]{symbols.size() / 3, symbols.size() - symbols.size() / 3};
  std::vector<std::uint16_t> cells(symbols.size());
  std::ranges::transform(own_contexts, symbols, cells.begin(), cell_of);
  lmgc::Buffer<std::byte> room, other_room;
  const auto chunk = rans_encode(tables(), cells, blocks, room, kScalarRans);
  for (const RansKernels* kernels : usable_rans_kernels()) {
    if (decoded(bytes, contexts, *kernels) != expected) std::abort();
    if (!std::ranges::equal(rans_encode(tables(), cells, blocks, other_room, *kernels), chunk)) {
      std::abort();
    }
  }
  RansDecoder decoder(tables(), chunk, symbols.size());
  std::vector<std::uint8_t> back(symbols.size());
  decoder.decode(std::span(own_contexts).first(blocks[0]), std::span(back).first(blocks[0]));
  decoder.decode(std::span(own_contexts).subspan(blocks[0]), std::span(back).subspan(blocks[0]));
  decoder.finish();
  if (back != symbols) std::abort();
}
