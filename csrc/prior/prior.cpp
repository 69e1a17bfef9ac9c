#include "prior/prior.h"

#include <algorithm>
#include <bit>

#include "coder/range_decoder.h"
#include "parallel.h"

namespace lmgc::prior {
namespace {

/// Chunks whose symbols a thread decodes one after another.
constexpr std::size_t kBlock = 64;

}  // namespace

void Prior::intervals(std::span<const std::uint16_t> symbols, std::size_t run,
                      const TakeIntervals& take) {
  for (std::size_t begin = 0; begin < symbols.size(); begin += run) {
    start(1);
    std::vector<Interval> of_chunk;
    for (const std::uint16_t symbol :
         symbols.subspan(begin, std::min(run, symbols.size() - begin))) {
      const auto table = cumulative_frequencies();
      of_chunk.push_back({table[symbol], table[symbol + 1u] - table[symbol]});
      update({&symbol, 1});
    }
    take(begin / run, of_chunk);
  }
}

void Prior::decode(std::span<const std::span<const std::byte>> chunks, std::size_t run,
                   std::span<std::uint16_t> symbols) {
  std::vector<coder::RangeDecoder> decoders(chunks.begin(), chunks.end());
  std::vector<std::uint16_t> step(chunks.size());
  const std::size_t row = alphabet() + 1;
  const std::size_t last = symbols.size() - (chunks.size() - 1) * run;
  start(chunks.size());
  for (std::size_t at = 0; at < std::min(run, symbols.size()); ++at) {
    const std::size_t running = at < last ? chunks.size() : chunks.size() - 1;
    if (at > 0) update(std::span(step).first(running));
    const auto tables = cumulative_frequencies();
    const auto decode_block = [&](std::size_t block) {
      for (std::size_t i = block * kBlock; i < std::min((block + 1) * kBlock, running); ++i) {
        step[i] = decoders[i].decode(tables.subspan(i * row, row));
        symbols[i * run + at] = step[i];
      }
    };
    if (running <= kBlock) {
      decode_block(0);
    } else {
      parallel_for((running + kBlock - 1) / kBlock, decode_block);
    }
  }
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
