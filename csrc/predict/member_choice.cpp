#include "predict/member_choice.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <numeric>
#include <vector>

#include "fork.h"

namespace lmgc::predict {
namespace {

constexpr int kUnitsPerBit = 256;
constexpr std::int16_t kEscapeCost = 44 * kUnitsPerBit;  // a rare symbol and a whole float
constexpr std::size_t kSymbols = kZeroSymbol;            // that shape and width tell apart

/// In units of 1 / kUnitsPerBit: [kContexts][kSymbols].
using Costs = std::vector<std::int16_t>;

/// What a symbol takes. Each squaring tells one more bit of log2's fraction.
constexpr std::int16_t cost_of(std::uint32_t frequency) {
  if (frequency == 0) return kEscapeCost;
  int log = log2_of(frequency);
  std::uint64_t mantissa = std::uint64_t{frequency} << (31 - log);  // in [2^31, 2^32)
  for (int unit = 1; unit < 2 * kUnitsPerBit; unit *= 2) {
    mantissa = mantissa * mantissa >> 31;
    const auto carry = static_cast<int>(mantissa >> 32);
    mantissa >>= carry;
    log = 2 * log + carry;
  }
  return static_cast<std::int16_t>(coder::kRansTotalBits * kUnitsPerBit - (log + 1) / 2);
}
static_assert(cost_of(coder::kRansTotal) == 0 && cost_of(1) == 12 * kUnitsPerBit);
static_assert(cost_of(3) == 2666);  // 10.415 bits

const Costs& costs(int shape, int width) {
  static std::array<std::once_flag, std::size_t{kShapes} * kWidths> flags;
  static std::array<Costs, std::size_t{kShapes} * kWidths> all;
  static constexpr auto kByFrequency = [] {
    std::array<std::int16_t, coder::kRansTotal + 1> costs{};
    for (std::uint32_t f = 0; f <= coder::kRansTotal; ++f) costs[f] = cost_of(f);
    return costs;
  }();
  const auto at = static_cast<std::size_t>(shape * kWidths + width);
  std::call_once(flags[at], [&] {
    const NoFork no_fork;
    const auto& table =
        frequencies(static_cast<std::uint8_t>(shape), static_cast<std::uint8_t>(width));
    all[at].resize(kContexts * kSymbols);
    for (std::size_t context = 0; context < kContexts; ++context) {
      for (std::size_t symbol = 0; symbol < kSymbols; ++symbol) {
        all[at][context * kSymbols + symbol] = kByFrequency[table[context * kAlphabet + symbol]];
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
  std::int32_t least = INT32_MAX;
  for (std::uint8_t i = 1; i < kZeroShares; ++i) {
    const std::uint32_t frequency = zero_frequency(i);
    const std::int32_t own = census.zeros() * cost_of(frequency) +
                             census.others() * cost_of(coder::kRansTotal - frequency);
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
