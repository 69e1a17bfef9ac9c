#pragma once

#include <cstddef>
#include <cstdint>

#include "coder/rans_entries.h"
#include "coder/rans_kernels.h"

/// One symbol at a time, for lanes that are a power of two: the reference, and the ends of blocks
/// for the others. `static`, since each file compiles these for its own instruction set.
namespace lmgc::coder {

/// The entry of a slot, at `entry` or after it.
static inline const std::uint32_t* find_entry(const std::uint32_t* entry, std::uint32_t slot) {
  constexpr std::uint32_t kMask = kRansTotal - 1;
  while (slot - (*entry & kMask) > (*entry >> kRansTotalBits & kMask)) ++entry;
  return entry;
}

/// Encodes symbols [begin, end) of a block, backwards.
static inline std::byte* encode_steps(const RansView& tables, const std::uint16_t* cells,
                                      std::size_t begin, std::size_t end, std::uint32_t* states,
                                      std::size_t lanes, std::byte* at) {
  constexpr std::uint32_t kMask = kRansTotal - 1;
  std::uint32_t all = ~std::uint32_t{0};
  for (std::size_t i = end; i-- > begin;) {
    const std::uint64_t entry =
        tables.encoder[std::size_t{context_of(cells[i])} * tables.stride + symbol_of(cells[i])];
    const auto multiplier = static_cast<std::uint32_t>(entry);
    const auto high = static_cast<std::uint32_t>(entry >> 32);
    const std::uint32_t complement = high >> kRansTotalBits & kMask;
    std::uint32_t state = states[i & (lanes - 1)];
    const std::uint32_t full = (state >> kRansLimitShift) + complement >= kRansTotal ? 1 : 0;
    at[-2] = std::byte(state & 255);  // overwritten unless `full`
    at[-1] = std::byte(state >> 8 & 255);
    at -= 2 * full;
    state >>= 16 * full;
    const std::uint64_t product = (std::uint64_t{state} + (high >> 28)) * multiplier;
    const auto quotient = static_cast<std::uint32_t>(product >> 32 >> (high >> 24 & 15));
    states[i & (lanes - 1)] = state + quotient * complement + (high & kMask);
    all &= multiplier;
  }
  return all >> 31 != 0 ? at : nullptr;
}

/// Decodes symbols [begin, end) of a block.
static inline const std::byte* decode_steps(const RansView& tables, const std::uint16_t* contexts,
                                            std::uint8_t* symbols, std::size_t begin,
                                            std::size_t end, std::uint32_t* states,
                                            std::size_t lanes, const std::byte* at,
                                            const std::byte* last) {
  constexpr std::uint32_t kMask = kRansTotal - 1;
  for (std::size_t i = begin; i < end; ++i) {
    const std::size_t context = contexts[i];
    std::uint32_t state = states[i & (lanes - 1)];
    const std::uint32_t slot = state & kMask;
    const std::uint32_t* entry = tables.decoder + context * tables.stride +
                                 tables.guesses[context * kRansGuesses + (slot >> kRansGuessShift)];
    entry += slot - (*entry & kMask) > (*entry >> kRansTotalBits & kMask) ? 1 : 0;
    entry = find_entry(entry, slot);
    symbols[i] = static_cast<std::uint8_t>(*entry >> (2 * kRansTotalBits));
    const std::uint32_t frequency = (*entry >> kRansTotalBits & kMask) + 1;
    state = frequency * (state >> kRansTotalBits) + slot - (*entry & kMask);
    const std::uint32_t low = ((state >> 16) - 1) >> 31;  // no branch: none predicts it
    if (last - at >= 2) {
      const std::uint32_t word =
          std::to_integer<std::uint32_t>(at[0]) | std::to_integer<std::uint32_t>(at[1]) << 8;
      state = state << (16 * low) | (word & (0 - low));
      at += 2 * low;
    } else if (low != 0) {
      return nullptr;
    }
    states[i & (lanes - 1)] = state;
  }
  return at;
}

}  // namespace lmgc::coder
