#include "predict/member_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <vector>

namespace lmgc::predict {
namespace {

constexpr std::size_t kRun = 1024;  // judged runs lie evenly in the tile
constexpr std::size_t kMaxRuns = 31;
constexpr float kEscapeBits = 44;  // a rare symbol and a whole float
constexpr float kCostUnit = 1.0F / 256;
constexpr std::size_t kSymbols = kZeroSymbol;  // that shape and width tell apart

/// In units of kCostUnit: [kContexts][kSymbols].
using Costs = std::vector<std::int16_t>;

/// For choices alone, which are sent: frequencies do not depend on this logarithm.
float bits_of(std::uint32_t frequency) {
  if (frequency == 0) return kEscapeBits;
  return coder::kRansTotalBits - std::log2(static_cast<float>(frequency));
}

const Costs& costs(int shape, int width) {
  static std::array<std::once_flag, std::size_t{kShapes} * kWidths> flags;
  static std::array<Costs, std::size_t{kShapes} * kWidths> all;
  static const auto by_frequency = [] {
    std::array<std::int16_t, coder::kRansTotal + 1> units;
    for (std::uint32_t f = 0; f <= coder::kRansTotal; ++f) {
      units[f] = static_cast<std::int16_t>(std::lround(bits_of(f) / kCostUnit));
    }
    return units;
  }();
  const auto at = static_cast<std::size_t>(shape * kWidths + width);
  std::call_once(flags[at], [&] {
    const auto& table =
        frequencies(static_cast<std::uint8_t>(shape), static_cast<std::uint8_t>(width));
    all[at].resize(kContexts * kSymbols);
    for (std::size_t context = 0; context < kContexts; ++context) {
      for (std::size_t symbol = 0; symbol < kSymbols; ++symbol) {
        all[at][context * kSymbols + symbol] = by_frequency[table[context * kAlphabet + symbol]];
      }
    }
  });
  return all[at];
}

/// How often symbols were seen in contexts, below 2^15 in all.
class Census {
 public:
  explicit Census(std::span<const std::uint16_t> cells) {
    std::vector<std::int16_t> counts(std::size_t{kContexts + 1} * kCellStride);
    const std::size_t runs = (cells.size() + kRun - 1) / kRun;
    const std::size_t gap = (runs + kMaxRuns - 1) / kMaxRuns * kRun;
    for (std::size_t start = 0; start < cells.size(); start += gap) {
      const std::size_t end = std::min(start + kRun, cells.size());
      for (std::size_t i = start; i < end; ++i) ++counts[cells[i]];
    }
    for (std::size_t context = 0; context < kContexts; ++context) {
      const auto row = std::span(counts).subspan(context * kCellStride, kAlphabet);
      zeros_ += row[kZeroSymbol];
      int seen = 0;
      for (const std::int16_t count : row.first(kSymbols)) seen += count;
      if (seen == 0) continue;
      others_ += seen;
      contexts_.push_back(context);
      counts_.insert(counts_.end(), row.begin(), row.begin() + kSymbols);
    }
  }

  [[nodiscard]] int zeros() const { return zeros_; }
  [[nodiscard]] int others() const { return others_; }

  [[nodiscard]] std::int32_t cost(int shape, int width) const {
    const std::int16_t* table = costs(shape, width).data();
    const std::int16_t* count = counts_.data();
    std::int32_t sum = 0;  // below 2^15 * 44 * 256
    for (const std::size_t context : contexts_) {
      const std::int16_t* cost = table + context * kSymbols;
      for (std::size_t symbol = 0; symbol < kSymbols; ++symbol) sum += count[symbol] * cost[symbol];
      count += kSymbols;
    }
    return sum;
  }

 private:
  std::vector<std::size_t> contexts_;  // those seen
  std::vector<std::int16_t> counts_;   // [contexts_][kSymbols]
  int zeros_ = 0, others_ = 0;
};

/// Walks from `width` to the next local minimum, whose cost it returns.
std::int32_t best_width(const Census& census, int shape, int& width) {
  std::int32_t least = census.cost(shape, width);
  const int start = width;
  for (const int direction : {-1, 1}) {
    if (width != start) break;
    while (width + direction >= 0 && width + direction < kWidths) {
      const std::int32_t next = census.cost(shape, width + direction);
      if (next >= least) break;
      least = next;
      width += direction;
    }
  }
  return least;
}

std::uint8_t choose_zeros(const Census& census) {
  if (census.zeros() == 0) return 0;
  std::uint8_t best = 1;
  float least = INFINITY;
  for (std::uint8_t i = 1; i < kZeroShares; ++i) {
    const std::uint32_t frequency = zero_frequency(i);
    const float own = static_cast<float>(census.zeros()) * bits_of(frequency) +
                      static_cast<float>(census.others()) * bits_of(coder::kRansTotal - frequency);
    if (own < least) {
      least = own;
      best = i;
    }
  }
  return best;
}

}  // namespace

Member choose_member(std::span<const std::uint16_t> cells) {
  const Census census(cells);
  Member best;
  best.zeros = choose_zeros(census);
  int width = kWidths / 2;
  std::int32_t least = INT32_MAX;
  for (int shape = 0; shape < kShapes; ++shape) {
    const std::int32_t own = best_width(census, shape, width);
    if (own < least) {
      least = own;
      best.shape = static_cast<std::uint8_t>(shape);
      best.width = static_cast<std::uint8_t>(width);
    }
  }
  return best;
}

}  // namespace lmgc::predict
