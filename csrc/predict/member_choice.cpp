#include "predict/member_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace lmgc::predict {
namespace {

constexpr std::size_t kMaxJudged = std::size_t{1} << 16;
constexpr float kEscapeBits = 44;  // a rare symbol and a whole float

struct Cell {
  std::size_t at;  ///< [context][symbol]
  float count;
};

/// Bits of a symbol by its frequency.
const std::array<float, coder::kRansTotal + 1>& bits_of_frequency() {
  static const auto table = [] {
    std::array<float, coder::kRansTotal + 1> bits;
    bits[0] = kEscapeBits;
    for (std::size_t f = 1; f <= coder::kRansTotal; ++f) {
      bits[f] = coder::kRansTotalBits - std::log2(static_cast<float>(f));
    }
    return bits;
  }();
  return table;
}

float cost(std::span<const Cell> cells, int shape, int width) {
  const auto& table =
      frequencies(static_cast<std::uint8_t>(shape), static_cast<std::uint8_t>(width));
  const auto& bits = bits_of_frequency();
  float sum = 0;
  for (const Cell& cell : cells) sum += cell.count * bits[table[cell.at]];
  return sum;
}

/// Walks from `width` to the next local minimum, whose cost it returns.
float best_width(std::span<const Cell> cells, int shape, int& width) {
  float least = cost(cells, shape, width);
  for (const int direction : {-1, 1}) {
    while (width + direction >= 0 && width + direction < kWidths) {
      const float next = cost(cells, shape, width + direction);
      if (next >= least) break;
      least = next;
      width += direction;
    }
  }
  return least;
}

std::uint8_t choose_zeros(float zeros, float others) {
  if (zeros == 0) return 0;
  std::uint8_t best = 1;
  float least = INFINITY;
  for (std::uint8_t i = 1; i < kZeroShares; ++i) {
    const std::uint32_t frequency = zero_frequency(i);
    const auto& bits = bits_of_frequency();
    const float own = zeros * bits[frequency] + others * bits[coder::kRansTotal - frequency];
    if (own < least) {
      least = own;
      best = i;
    }
  }
  return best;
}

}  // namespace

Member choose_member(std::span<const std::uint8_t> symbols,
                     std::span<const std::uint16_t> contexts) {
  std::vector<std::uint32_t> counts(std::size_t{kContexts + 1} * kAlphabet);
  constexpr std::size_t kRun = 1024;  // judged runs lie evenly in the tile
  const std::size_t gap = std::max(symbols.size() / kMaxJudged, std::size_t{1}) * kRun;
  for (std::size_t start = 0; start < symbols.size(); start += gap) {
    const std::size_t end = std::min(start + kRun, symbols.size());
    for (std::size_t i = start; i < end; ++i) {
      ++counts[contexts[i] * std::size_t{kAlphabet} + symbols[i]];
    }
  }
  std::vector<Cell> cells;
  float zeros = 0, others = 0;
  for (std::size_t context = 0; context < kContexts; ++context) {
    const auto row = std::span(counts).subspan(context * kAlphabet, kAlphabet);
    for (std::size_t symbol = 0; symbol < kZeroSymbol; ++symbol) {
      if (row[symbol] == 0) continue;
      cells.push_back({context * kAlphabet + symbol, static_cast<float>(row[symbol])});
      others += cells.back().count;
    }
    zeros += static_cast<float>(row[kZeroSymbol]);
  }
  Member best;
  best.zeros = choose_zeros(zeros, others);
  int width = kWidths / 2;
  float least = INFINITY;
  for (int shape = 0; shape < kShapes; ++shape) {
    const float own = best_width(cells, shape, width);
    if (own < least) {
      least = own;
      best.shape = static_cast<std::uint8_t>(shape);
      best.width = static_cast<std::uint8_t>(width);
    }
  }
  return best;
}

}  // namespace lmgc::predict
