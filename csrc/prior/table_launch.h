#pragma once

#include <cstddef>
#include <cstdint>

#include "coder/range_decoder.h"
#include "prior/frequency.h"

/// Kernels that make tables of scores, and what is decoded by them, enqueued on `stream` (a
/// cudaStream_t). Pointers are the device's. Bits are those of frequency.h.
namespace lmgc::prior {

/// Most symbols of a table.
inline constexpr std::int64_t kMaxAlphabet = 256;

/// Tables [rows, alphabet + 1] of `scores` [rows, alphabet].
void launch_frequencies(const std::int32_t* scores, std::size_t rows, std::size_t alphabet,
                        std::uint32_t* cumulative, void* stream);

/// The same, but only the intervals of `symbols` [rows].
void launch_intervals(const std::int32_t* scores, const std::uint16_t* symbols, std::size_t rows,
                      std::size_t alphabet, Interval* intervals, void* stream);

/// Code of rows, one after another.
struct CodedRows {
  const std::byte* bytes;
  const std::int64_t* ends;       ///< [rows + 1], of row i at i + 1
  coder::RangeDecoder* decoders;  ///< [rows], made with the first symbol
};

/// Where decoded symbols go, and what a model gets of them.
struct Decoded {
  std::uint16_t* symbols;             ///< [rows, run]
  std::int64_t run, at;               ///< which symbol of each row it is
  const std::int32_t* symbol_tokens;  ///< [alphabet]
  const std::int32_t* between;        ///< what follows the symbol's token [between_count]
  std::int64_t between_count;
  std::int32_t* tokens;  ///< [rows, 1 + between_count]
};

/// Decodes the next symbol of each row, by the table of its scores.
void launch_decode(const std::int32_t* scores, std::size_t rows, std::size_t alphabet,
                   const CodedRows& code, const Decoded& decoded, void* stream);

}  // namespace lmgc::prior
