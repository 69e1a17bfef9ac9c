#include "coder/rans.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>

#include "coder/rans_entries.h"
#include "implementations.h"

namespace lmgc::coder {
namespace {

Implementations<RansKernels>& implementations() {
  static const std::vector<const RansKernels*> candidates = {
#ifdef LMGC_X86_64
      &kAvx512Rans,
      &kAvx2Rans,
#endif
  };
  static Implementations<RansKernels> all(
      usable_implementations<RansKernels>(candidates, kScalarRans, agrees_with_reference));
  return all;
}

template <typename Integer>
Integer largest(std::span<const Integer> values) {
  return std::accumulate(values.begin(), values.end(), Integer{0},
                         [](Integer a, Integer b) { return a > b ? a : b; });
}

void check_contexts(const RansTables& tables, std::span<const std::uint16_t> contexts,
                    std::size_t symbols) {
  if (contexts.size() != symbols) {
    throw std::invalid_argument("lmgc::coder: " + std::to_string(symbols) + " symbols with " +
                                std::to_string(contexts.size()) + " contexts");
  }
  if (largest(contexts) >= tables.contexts()) {
    throw std::invalid_argument("lmgc::coder: context " + std::to_string(largest(contexts)) +
                                " of " + std::to_string(tables.contexts()) + " tables");
  }
}

void store_state(std::uint32_t state, std::byte* at) {
  for (int i = 0; i < 4; ++i) at[i] = std::byte(state >> (8 * i) & 255);
}

std::uint32_t load_state(const std::byte* at) {
  std::uint32_t state = 0;
  for (int i = 0; i < 4; ++i) state |= std::to_integer<std::uint32_t>(at[i]) << (8 * i);
  return state;
}

}  // namespace

std::span<const RansKernels* const> usable_rans_kernels() { return implementations().usable(); }

const RansKernels& rans_kernels() { return implementations().current(); }

const RansKernels& rans_kernels(std::string_view name) { return implementations().named(name); }

void use_rans_kernels(std::string_view name) { implementations().use(rans_kernels(name)); }

std::vector<std::byte> rans_encode(const RansTables& tables, std::span<const std::uint8_t> symbols,
                                   std::span<const std::uint16_t> contexts,
                                   std::span<const std::size_t> blocks,
                                   const RansKernels& kernels) {
  check_contexts(tables, contexts, symbols.size());
  if (largest(symbols) >= tables.alphabet()) {
    throw std::invalid_argument("lmgc::coder: symbol " + std::to_string(largest(symbols)) +
                                " of an alphabet of " + std::to_string(tables.alphabet()));
  }
  std::size_t left = symbols.size();
  for (const std::size_t block : blocks) {
    if (block > left) throw std::invalid_argument("lmgc::coder: blocks exceed the symbols");
    left -= block;
  }
  if (left != 0) throw std::invalid_argument("lmgc::coder: blocks do not cover the symbols");
  if (symbols.empty()) return {};

  const std::size_t lanes = rans_lanes(symbols.size());
  const std::size_t room = kRansSlackBytes + 4 * lanes + 2 * symbols.size();
  const auto buffer = std::make_unique_for_overwrite<std::byte[]>(room);
  std::array<std::uint32_t, kRansMaxLanes> states;
  states.fill(kRansLowest);
  std::byte* at = buffer.get() + room;
  std::size_t begin = symbols.size();
  for (std::size_t index = blocks.size(); index-- > 0;) {
    begin -= blocks[index];
    at = kernels.encode(tables.view(), symbols.data() + begin, contexts.data() + begin,
                        blocks[index], states.data(), lanes, at);
    if (at == nullptr) {
      throw std::invalid_argument("lmgc::coder: a symbol whose frequency is 0");
    }
  }
  at -= 4 * lanes;
  for (std::size_t lane = 0; lane < lanes; ++lane) store_state(states[lane], at + 4 * lane);
  return {at, buffer.get() + room};
}

RansDecoder::RansDecoder(const RansTables& tables, std::span<const std::byte> bytes,
                         std::size_t symbols, const RansKernels& kernels)
    : tables_(tables),
      kernels_(kernels),
      words_(bytes),
      symbols_left_(symbols),
      lanes_(symbols == 0 ? 0 : rans_lanes(symbols)) {
  if (bytes.size() < 4 * lanes_) {
    throw StreamError("lmgc::coder: " + std::to_string(bytes.size()) + " bytes for the states of " +
                      std::to_string(lanes_) + " lanes");
  }
  for (std::size_t lane = 0; lane < lanes_; ++lane) {
    states_[lane] = load_state(bytes.data() + 4 * lane);
  }
  words_ = bytes.subspan(4 * lanes_);
}

void RansDecoder::decode(std::span<const std::uint16_t> contexts, std::span<std::uint8_t> symbols) {
  check_contexts(tables_, contexts, symbols.size());
  if (symbols.size() > symbols_left_) {
    throw std::invalid_argument("lmgc::coder: a block of " + std::to_string(symbols.size()) +
                                " symbols, the chunk has " + std::to_string(symbols_left_));
  }
  if (symbols.empty()) return;
  const std::byte* end = words_.data() + words_.size();
  const std::byte* at = kernels_.decode(tables_.view(), contexts.data(), symbols.data(),
                                        symbols.size(), states_.data(), lanes_, words_.data(), end);
  if (at == nullptr) throw StreamError("lmgc::coder: the words of a chunk end early");
  words_ = {at, end};
  symbols_left_ -= symbols.size();
}

void RansDecoder::finish() const {
  const bool ended = std::all_of(states_.begin(), states_.begin() + static_cast<int>(lanes_),
                                 [](std::uint32_t state) { return state == kRansLowest; });
  if (!ended || symbols_left_ != 0 || !words_.empty()) {
    throw StreamError("lmgc::coder: a chunk does not end where its symbols do");
  }
}

}  // namespace lmgc::coder
