#include "prior/prior.h"

namespace lmgc::prior {

std::vector<Interval> Prior::intervals(std::span<const std::uint16_t> symbols, std::size_t run) {
  std::vector<Interval> result;
  result.reserve(symbols.size());
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    if (i % run == 0) start(1);
    const std::uint16_t symbol = symbols[i];
    const auto table = cumulative_frequencies();
    result.push_back({table[symbol], table[symbol + 1u] - table[symbol]});
    update({&symbol, 1});
  }
  return result;
}

}  // namespace lmgc::prior
