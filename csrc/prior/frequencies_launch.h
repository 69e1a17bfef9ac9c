#pragma once

#include <cstddef>
#include <cstdint>

#include "prior/frequency.h"

namespace lmgc::prior {

/// Most symbols of a table that the operator `lmgc::frequencies` makes.
inline constexpr std::int64_t kMaxAlphabet = 256;

/// Enqueues the tables [rows, alphabet + 1] of `scores` [rows, alphabet] on `stream` (a
/// cudaStream_t). Device pointers.
void launch_frequencies(const std::int32_t* scores, std::size_t rows, std::size_t alphabet,
                        std::uint32_t* cumulative, void* stream);

/// The same, but only the intervals of `symbols` [rows].
void launch_intervals(const std::int32_t* scores, const std::uint16_t* symbols, std::size_t rows,
                      std::size_t alphabet, Interval* intervals, void* stream);

}  // namespace lmgc::prior
