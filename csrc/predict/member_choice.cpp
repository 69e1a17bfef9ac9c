#include "predict/member_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>
#include <numeric>
#include <vector>

namespace lmgc::predict {
namespace {

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
    std::vector<std::int16_t> counts(coder::cell_of(kContexts + 1, 0));
    for (const std::uint16_t cell : cells) ++counts[cell];
    for (std::size_t context = 0; context < kContexts; ++context) {
      const auto row = std::span(counts).subspan(coder::cell_of(context, 0), kAlphabet);
      zeros_ += row[kZeroSymbol];
      const auto symbols = row.first(kSymbols);
      const auto seen = [](std::int16_t count) { return count != 0; };
      const auto first = std::ranges::find_if(symbols, seen);
      if (first == symbols.end()) continue;
      const auto last = std::ranges::find_if(symbols.rbegin(), symbols.rend(), seen).base();
      others_ += std::accumulate(first, last, 0);
      ranges_.push_back({context * kSymbols + static_cast<std::size_t>(first - symbols.begin()),
                         static_cast<std::size_t>(last - first)});
      counts_.insert(counts_.end(), first, last);
    }
  }

  [[nodiscard]] int zeros() const { return zeros_; }
  [[nodiscard]] int others() const { return others_; }

  [[nodiscard]] std::int32_t cost(int shape, int width) const {
    const std::int16_t* table = costs(shape, width).data();
    const std::int16_t* count = counts_.data();
    std::int32_t sum = 0;  // below 2^15 * 44 * 256
    for (const Range& range : ranges_) {
      const std::int16_t* cost = table + range.start;
      for (std::size_t i = 0; i < range.symbols; ++i) sum += count[i] * cost[i];
      count += range.symbols;
    }
    return sum;
  }

 private:
  /// From the first to the last symbol seen in a context, of Costs.
  struct Range {
    std::size_t start, symbols;
  };

  std::vector<Range> ranges_;
  std::vector<std::int16_t> counts_;  // of all ranges, one after another
  int zeros_ = 0, others_ = 0;
};

/// Walks from `width` to the next local minimum, whose cost it returns. (Costs have but one.)
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
  int shape = kShapes / 2, width = kWidths / 2;
  std::int32_t least = best_width(census, shape, width);
  const int start = shape;
  for (const int direction : {-1, 1}) {
    if (shape != start) break;
    int next_width = width;
    while (shape + direction >= 0 && shape + direction < kShapes) {
      const std::int32_t next = best_width(census, shape + direction, next_width);
      if (next >= least) break;
      least = next;
      shape += direction;
      width = next_width;
    }
  }
  return {static_cast<std::uint8_t>(shape), static_cast<std::uint8_t>(width), choose_zeros(census)};
}

}  // namespace lmgc::predict
