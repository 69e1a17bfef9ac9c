#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "coder/rans_tables.h"

/// A chunk: the states of its lanes as uint32, then words of 16 bits, all little-endian. Symbol i
/// of a block belongs to lane i modulo the lanes. A step takes one symbol from each lane (the last
/// of a block from the first few), then each lane whose state fell below kRansLowest takes one
/// word, in order of lanes. At the end all states are kRansLowest. Encoding runs backwards.
namespace lmgc::coder {

/// Bytes that `encode` may overwrite below what it returns.
inline constexpr std::size_t kRansSlackBytes = 16;

/// One implementation of the coder's loops. All give the same bytes; "scalar" is the reference.
struct RansKernels {
  std::string_view name;
  bool (*supported)();

  /// Writes a block's words, at most one per symbol, before `end`; returns the first, or null if a
  /// symbol has frequency 0. Requires known contexts and symbols, and states >= kRansLowest.
  std::byte* (*encode)(const RansView& tables, const std::uint16_t* cells, std::size_t count,
                       std::uint32_t* states, std::size_t lanes, std::byte* end);
  /// Reads a block's words from `at`; returns the first unread one, or null if they end too early.
  /// Any states will do; requires known contexts.
  const std::byte* (*decode)(const RansView& tables, const std::uint16_t* contexts,
                             std::uint8_t* symbols, std::size_t count, std::uint32_t* states,
                             std::size_t lanes, const std::byte* at, const std::byte* end);
};

extern const RansKernels kScalarRans;
#ifdef LMGC_X86_64
extern const RansKernels kAvx2Rans;
extern const RansKernels kAvx512Rans;
#endif

/// Those that this machine runs and that passed the self-test, fastest first; never empty.
[[nodiscard]] std::span<const RansKernels* const> usable_rans_kernels();

/// The one in use: the fastest, unless `use_rans_kernels` chose another.
[[nodiscard]] const RansKernels& rans_kernels();

/// Throws std::invalid_argument if `name` is not usable here.
[[nodiscard]] const RansKernels& rans_kernels(std::string_view name);
void use_rans_kernels(std::string_view name);

/// Whether `candidate` gives the reference's bytes, symbols and failures.
[[nodiscard]] bool agrees_with_reference(const RansKernels& candidate);

}  // namespace lmgc::coder
