#include "prior/prior.h"

#include <algorithm>
#include <bit>

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

std::vector<std::uint16_t> Prior::shares_of_ones(std::span<const std::uint16_t> symbols,
                                                 std::size_t run) {
  const auto bits = static_cast<std::size_t>(std::countr_zero(alphabet()));
  const std::size_t chunks = (symbols.size() + run - 1) / run, row = alphabet() + 1;
  const std::size_t last = symbols.size() - (chunks - 1) * run;
  std::vector<std::uint16_t> shares(symbols.size() * bits), step(chunks);
  start(chunks);
  for (std::size_t at = 0; at < std::min(run, symbols.size()); ++at) {
    const std::size_t running = at < last ? chunks : chunks - 1;
    if (at > 0) update(std::span(step).first(running));
    const auto tables = cumulative_frequencies();
    for (std::size_t chunk = 0; chunk < running; ++chunk) {
      const std::size_t index = chunk * run + at;
      step[chunk] = symbols[index];
      write_shares_of_ones(tables.data() + chunk * row, symbols[index],
                           std::span(shares).subspan(index * bits, bits));
    }
  }
  return shares;
}

void write_shares_of_ones(const std::uint32_t* table, std::uint16_t symbol,
                          std::span<std::uint16_t> shares) {
  const auto bits = static_cast<unsigned>(shares.size());
  for (unsigned depth = 0; depth < bits; ++depth) {
    shares[depth] = share_of_ones(table, bits, symbol >> (bits - depth), depth);
  }
}

}  // namespace lmgc::prior
