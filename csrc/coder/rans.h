#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "buffer.h"
#include "coder/rans_kernels.h"
#include "coder/rans_tables.h"
#include "coder/stream_error.h"

/// Interleaved rANS for bulk symbols with static tables; the format is in rans_kernels.h.
namespace lmgc::coder {

inline constexpr std::size_t kRansMaxLanes = 32;

/// Lanes of a chunk of `symbols`: a power of two, since each lane costs about 3 bytes.
[[nodiscard]] constexpr std::size_t rans_lanes(std::size_t symbols) {
  constexpr std::size_t kSymbolsPerLane = 256;
  std::size_t lanes = 1;
  while (lanes < kRansMaxLanes && symbols >= 2 * lanes * kSymbolsPerLane) lanes *= 2;
  return lanes;
}
static_assert(rans_lanes(511) == 1 && rans_lanes(512) == 2 && rans_lanes(8192) == kRansMaxLanes);

/// Codes a chunk of cells (cell_of), each by its context's table. `blocks`: cells of each of its
/// parts, which the decoder will ask for one after the other. The chunk lies in `room`. Throws
/// std::invalid_argument for a symbol of frequency 0, an unknown context, or sizes that differ.
[[nodiscard]] std::span<const std::byte> rans_encode(const RansTables& tables,
                                                     std::span<const std::uint16_t> cells,
                                                     std::span<const std::size_t> blocks,
                                                     Buffer<std::byte>& room,
                                                     const RansKernels& kernels = rans_kernels());

/// Decodes a chunk block by block: contexts may depend on all symbols of earlier blocks.
class RansDecoder {
 public:
  /// `symbols`: of the whole chunk. `tables` and `bytes` must outlive the decoder.
  RansDecoder(const RansTables& tables, std::span<const std::byte> bytes, std::size_t symbols,
              const RansKernels& kernels = rans_kernels());

  /// Next block. Throws StreamError when bytes run out, std::invalid_argument for an unknown
  /// context, sizes that differ or more symbols than the chunk has left.
  void decode(std::span<const std::uint16_t> contexts, std::span<std::uint8_t> symbols);

  /// Throws StreamError unless the chunk ended as an encoder's does.
  void finish() const;

 private:
  const RansTables& tables_;
  const RansKernels& kernels_;
  std::span<const std::byte> words_;  // not yet read
  std::size_t symbols_left_;
  std::size_t lanes_;
  std::array<std::uint32_t, kRansMaxLanes> states_{};
};

}  // namespace lmgc::coder
