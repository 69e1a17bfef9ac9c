#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "coder/rans_tables.h"
#include "coder/stream_error.h"

/// Interleaved rANS for bulk symbols with static tables; format in rans_kernels.h. Every
/// instruction set writes and reads the same bytes.
namespace lmgc::coder {

inline constexpr std::size_t kRansMaxLanes = 32;

/// Lanes of a chunk of `symbols`: each costs about 3 bytes.
[[nodiscard]] constexpr std::size_t rans_lanes(std::size_t symbols) {
  std::size_t lanes = 1;
  while (lanes < kRansMaxLanes && symbols >= 256 * lanes) lanes *= 2;
  return lanes;
}

/// Codes a chunk: symbols[i] by table contexts[i]. `blocks`: symbols of each of its parts, which
/// the decoder will ask for one after the other. Throws std::invalid_argument for a symbol of
/// frequency 0, an unknown context, or sizes that differ.
[[nodiscard]] std::vector<std::byte> rans_encode(const RansTables& tables,
                                                 std::span<const std::uint8_t> symbols,
                                                 std::span<const std::uint16_t> contexts,
                                                 std::span<const std::size_t> blocks);

/// The same with one block.
[[nodiscard]] std::vector<std::byte> rans_encode(const RansTables& tables,
                                                 std::span<const std::uint8_t> symbols,
                                                 std::span<const std::uint16_t> contexts);

/// Inverse of rans_encode with one block. Throws StreamError for bytes that are no such chunk.
void rans_decode(const RansTables& tables, std::span<const std::byte> bytes,
                 std::span<const std::uint16_t> contexts, std::span<std::uint8_t> symbols);

/// Decodes a chunk block by block: contexts may depend on all symbols of earlier blocks.
class RansDecoder {
 public:
  /// `symbols`: of the whole chunk. `tables` and `bytes` must outlive the decoder.
  RansDecoder(const RansTables& tables, std::span<const std::byte> bytes, std::size_t symbols);

  /// Next block. Throws StreamError when bytes run out, std::invalid_argument for an unknown
  /// context, sizes that differ or more symbols than the chunk has.
  void decode(std::span<const std::uint16_t> contexts, std::span<std::uint8_t> symbols);

  /// Throws StreamError unless the chunk ended as an encoder's does.
  void finish() const;

 private:
  const RansTables& tables_;
  std::span<const std::byte> words_;  // not yet read
  std::size_t left_;                  // symbols
  std::size_t lanes_;
  std::array<std::uint32_t, kRansMaxLanes> states_{};
};

/// Instruction sets usable here, fastest first; the last is "scalar", the reference.
[[nodiscard]] std::vector<std::string_view> rans_paths();

/// The one in use: the fastest, unless `use_rans_path` chose another.
[[nodiscard]] std::string_view rans_path();

/// Throws std::invalid_argument if `name` is not usable here.
void use_rans_path(std::string_view name);

}  // namespace lmgc::coder
