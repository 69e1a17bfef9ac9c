#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "mixture/value.h"

namespace lmgc::mixture {

/// Values in rows of so many columns; or, if 0, in no rows.
struct Grid {
  std::uint64_t values, columns;
};

/// What values before a value, in its lane and in its column, say about its size and sign. Sizes
/// are in quarter octaves.
class Neighbours {
 public:
  Neighbours(std::span<const Grid> grids, std::size_t lanes);

  /// Nothing is near the next value of a lane.
  void restart(std::size_t lane) { lanes_[lane] = {}; }
  void learn(std::size_t lane, std::size_t place, const Value& value);

  /// Around the lane's next value, which is at `place`.
  struct View {
    std::uint32_t near = 0;    ///< size of the last few, their zeros and signs
    std::uint32_t row = 0;     ///< size of the last sixteen or so
    std::uint32_t column = 0;  ///< size that row and column expect, and the column's zeros
    std::uint32_t signs = 0;   ///< of the last eight
    std::uint32_t size = 0;    ///< that row and column expect, below 1,024
  };
  [[nodiscard]] View view(std::size_t lane, std::size_t place) const;

 private:
  struct Lane {
    std::int32_t near = 0, row = 0;      // moving averages, in 1 / 2^8; 0: of none
    std::uint32_t zeros = 0, signs = 0;  // one bit a value, the last is the lowest
  };
  struct Column {
    std::int32_t excess = 0;  // over its rows, a moving average in 1 / 2^8
    std::uint32_t zeros = 0;
  };
  struct Span {
    std::uint64_t start, columns;  // of the first value; 1 if it has no rows
    std::size_t first_column;
  };

  [[nodiscard]] std::size_t column(std::size_t place) const;

  std::vector<Lane> lanes_;
  std::vector<Span> spans_;
  std::vector<Column> columns_;
};

}  // namespace lmgc::mixture
