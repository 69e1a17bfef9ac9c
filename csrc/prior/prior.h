#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "prior/frequency.h"

namespace lmgc::prior {

/// Source of the next symbol's frequencies, for several independent chunks in lockstep.
///
/// A decoder alternates `cumulative_frequencies` and `update`. An encoder knows all symbols and
/// asks for their `intervals`. Both give the same numbers, bit for bit (law 2).
class Prior {
 public:
  virtual ~Prior() = default;

  /// Symbols are 0 .. alphabet() - 1.
  [[nodiscard]] virtual std::size_t alphabet() const = 0;

  /// Forgets everything and starts `chunks` chunks.
  virtual void start(std::size_t chunks) = 0;

  /// Tables of the next symbol of each running chunk, [chunks, alphabet + 1], each from 0 to
  /// kTotalFrequency and strictly increasing. Valid until the next call of any other function.
  [[nodiscard]] virtual std::span<const std::uint32_t> cumulative_frequencies() = 0;

  /// Tells the symbol of each running chunk. Fewer symbols than chunks: the last chunks have ended.
  virtual void update(std::span<const std::uint16_t> symbols) = 0;

  /// Gets the intervals of whole chunks, chunk `first` and those after it.
  using TakeIntervals = std::function<void(std::size_t first, std::span<const Interval> intervals)>;

  /// Calls take() until it has those of all `symbols` of consecutive chunks of `run`, the last of
  /// which may be shorter. A walk through each, unless a prior knows a faster way. May forget
  /// everything.
  virtual void intervals(std::span<const std::uint16_t> symbols, std::size_t run,
                         const TakeIntervals& take);

  /// Decodes `chunks`, range-coded by these intervals, into consecutive runs of `run` symbols, the
  /// last of which may be shorter: in lockstep, unless a prior knows a faster way. May forget
  /// everything.
  virtual void decode(std::span<const std::span<const std::byte>> chunks, std::size_t run,
                      std::span<std::uint16_t> symbols);

  /// Of an alphabet of 2^bits: for each bit of all `symbols`, high bit first, the share_of_ones of
  /// its symbol's table, [symbols, bits]. Chunks as in `intervals`, but all in lockstep.
  [[nodiscard]] virtual std::vector<std::uint16_t> shares_of_ones(
      std::span<const std::uint16_t> symbols, std::size_t run);
};

/// Those of one symbol, `shares` [bits], by its table [2^bits + 1].
void write_shares_of_ones(const std::uint32_t* table, std::uint16_t symbol,
                          std::span<std::uint16_t> shares);

}  // namespace lmgc::prior
