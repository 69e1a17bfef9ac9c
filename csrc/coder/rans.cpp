#include "coder/rans.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "coder/rans_entries.h"
#include "implementations.h"

namespace lmgc::coder {
namespace {

Implementations<RansKernels>& implementations() {
  static Implementations<RansKernels> all(
      {
#ifdef LMGC_X86_64
          &kAvx512Rans,
          &kAvx2Rans,
#endif
      },
      kScalarRans, agrees_with_reference);
  return all;
}

std::uint16_t largest(std::span<const std::uint16_t> values, std::uint16_t mask = 0xFFFF) {
  std::uint16_t most = 0;
  for (const std::uint16_t value : values) {
    const auto part = static_cast<std::uint16_t>(value & mask);
    most = part > most ? part : most;
  }
  return most;
}

void check_context(const RansTables& tables, std::size_t context) {
  if (context >= tables.contexts()) {
    throw std::invalid_argument("lmgc::coder: context " + std::to_string(context) + " of " +
                                std::to_string(tables.contexts()) + " tables");
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

std::span<const std::byte> rans_encode(const RansTables& tables,
                                       std::span<const std::uint16_t> cells,
                                       std::span<const std::size_t> blocks, Buffer<std::byte>& room,
                                       const RansKernels& kernels) {
  check_context(tables, context_of(largest(cells)));
  const std::uint16_t symbol = largest(cells, 255);
  if (symbol >= tables.alphabet()) {
    throw std::invalid_argument("lmgc::coder: symbol " + std::to_string(symbol) +
                                " of an alphabet of " + std::to_string(tables.alphabet()));
  }
  std::size_t left = cells.size();
  for (const std::size_t block : blocks) {
    if (block > left) throw std::invalid_argument("lmgc::coder: blocks exceed the cells");
    left -= block;
  }
  if (left != 0) throw std::invalid_argument("lmgc::coder: blocks do not cover the cells");
  if (cells.empty()) return {};

  const std::size_t lanes = rans_lanes(cells.size());
  const std::span<std::byte> bytes = room.room(kRansSlackBytes + 4 * lanes + 2 * cells.size());
  std::array<std::uint32_t, kRansMaxLanes> states;
  states.fill(kRansLowest);
  std::byte* const end = bytes.data() + bytes.size();
  std::byte* at = end;
  std::size_t begin = cells.size();
  for (std::size_t index = blocks.size(); index-- > 0;) {
    begin -= blocks[index];
    at = kernels.encode(tables.view(), cells.data() + begin, blocks[index], states.data(), lanes,
                        at);
    if (at == nullptr) {
      throw std::invalid_argument("lmgc::coder: a symbol whose frequency is 0");
    }
  }
  at -= 4 * lanes;
  for (std::size_t lane = 0; lane < lanes; ++lane) store_state(states[lane], at + 4 * lane);
  return {at, end};
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
  if (contexts.size() != symbols.size()) {
    throw std::invalid_argument("lmgc::coder: " + std::to_string(symbols.size()) +
                                " symbols with " + std::to_string(contexts.size()) + " contexts");
  }
  check_context(tables_, largest(contexts));
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
