#include "prior/prior.h"

namespace lmgc::prior {

std::vector<Interval> Prior::intervals(std::span<const std::uint16_t> symbols) {
  std::vector<Interval> result;
  result.reserve(symbols.size());
  start(1);
  for (const std::uint16_t& symbol : symbols) {
    const auto table = cumulative_frequencies();
    result.push_back({table[symbol], table[symbol + 1u] - table[symbol]});
    update({&symbol, 1});
  }
  return result;
}

}  // namespace lmgc::prior
