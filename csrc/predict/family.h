#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "coder/rans_tables.h"
#include "predict/grid.h"
#include "predict/student.h"

/// The family of distributions that values are coded with: Student's t around the prediction, from
/// Cauchy to nearly Gaussian, of several widths, with a share of exact zeros.
namespace lmgc::predict {

inline constexpr int kWidths = 16;
inline constexpr int kZeroShares = 16;

/// One member, by its numbers in a payload.
struct Member {
  std::uint8_t shape = 0;  ///< degrees of freedom: 1, 3, 5, 7, 11, 15, 31, 127
  std::uint8_t width = 0;  ///< its scale is 2^(width / 8 - 1/4) times the sent one
  std::uint8_t zeros = 0;  ///< share of exact zeros, an index

  [[nodiscard]] bool operator==(const Member&) const = default;
  [[nodiscard]] constexpr bool valid() const {
    return shape < kShapes && width < kWidths && zeros < kZeroShares;
  }
};

/// Frequency of +0.0 of each share, of coder::kRansTotal.
[[nodiscard]] std::uint32_t zero_frequency(std::uint8_t zeros);

/// [kContexts][kAlphabet] without zeros: rows of coder::kRansTotal, 0 for symbols rarer than 2^-13,
/// at least 1 for escapes. Computed once.
[[nodiscard]] const std::vector<std::uint16_t>& frequencies(std::uint8_t shape, std::uint8_t width);

/// A member's tables with what an encoder asks of them: kContexts contexts, and kZeroContext.
class MemberTables {
 public:
  explicit MemberTables(Member member);

  [[nodiscard]] const coder::RansTables& rans() const { return rans_; }
  /// Whether the symbol of a cell (coder::cell_of) has a frequency above 0.
  [[nodiscard]] bool has(std::uint16_t cell) const { return has_[cell]; }

 private:
  explicit MemberTables(const std::vector<std::uint16_t>& frequencies);

  coder::RansTables rans_;
  std::array<bool, coder::cell_of(kContexts + 1, 0)> has_{};
};

/// Kept for the members used last. Thread-safe.
[[nodiscard]] std::shared_ptr<const MemberTables> tables_of(Member member);

}  // namespace lmgc::predict
