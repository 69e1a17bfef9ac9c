#include "coder/rans_tables.h"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>
#include <stdexcept>
#include <string>

#include "coder/rans_entries.h"

namespace lmgc::coder {
namespace {

constexpr std::size_t kEntriesPerLine = 16;  // of the decoder's in 64 bytes

void check_alphabet(std::size_t alphabet) {
  if (alphabet == 0 || alphabet > kRansMaxAlphabet) {
    throw std::invalid_argument("lmgc::coder: an alphabet of " + std::to_string(alphabet) +
                                " symbols, expected 1 to " + std::to_string(kRansMaxAlphabet));
  }
}

/// A stride of an odd number of lines, so that the same symbol of many contexts does not compete
/// for the same few places in a cache.
std::uint32_t padded_stride(std::size_t alphabet) {
  const std::size_t lines = (alphabet + kEntriesPerLine - 1) / kEntriesPerLine;
  return static_cast<std::uint32_t>((lines | 1) * kEntriesPerLine);
}

}  // namespace

std::vector<std::uint16_t> rans_frequencies(std::span<const std::uint32_t> counts) {
  check_alphabet(counts.size());
  std::vector<std::uint64_t> shares(counts.begin(), counts.end());
  if (std::ranges::all_of(counts, [](std::uint32_t count) { return count == 0; })) {
    std::ranges::fill(shares, 1);
  }
  const std::uint64_t sum = std::accumulate(shares.begin(), shares.end(), std::uint64_t{0});
  std::vector<std::uint16_t> frequencies(shares.size());
  std::uint64_t given = 0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (shares[i] == 0) continue;
    frequencies[i] =
        static_cast<std::uint16_t>(std::max<std::uint64_t>(shares[i] * kRansTotal / sum, 1));
    given += frequencies[i];
  }
  for (; given < kRansTotal; ++given) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < shares.size(); ++i) {
      if (shares[i] * (2 * frequencies[best] + 1u) > shares[best] * (2 * frequencies[i] + 1u)) {
        best = i;
      }
    }
    ++frequencies[best];
  }
  for (; given > kRansTotal; --given) {
    std::size_t best = shares.size();
    for (std::size_t i = 0; i < shares.size(); ++i) {
      if (frequencies[i] > 1 &&
          (best == shares.size() ||
           shares[i] * (2 * frequencies[best] - 1u) < shares[best] * (2 * frequencies[i] - 1u))) {
        best = i;
      }
    }
    --frequencies[best];
  }
  return frequencies;
}

RansTables::RansTables(std::span<const std::uint16_t> frequencies, std::size_t alphabet)
    : alphabet_(alphabet) {
  check_alphabet(alphabet);
  contexts_ = frequencies.size() / alphabet;
  if (contexts_ == 0 || contexts_ > kRansMaxContexts || frequencies.size() % alphabet != 0) {
    throw std::invalid_argument("lmgc::coder: " + std::to_string(frequencies.size()) +
                                " frequencies for tables of " + std::to_string(alphabet) +
                                ", expected 1 to " + std::to_string(kRansMaxContexts) + " tables");
  }
  stride_ = padded_stride(alphabet);
  encoder_.resize(contexts_ * stride_);
  decoder_.resize(contexts_ * stride_ + 1);
  guesses_.resize(contexts_ * kRansGuesses + 3);
  for (std::size_t context = 0; context < contexts_; ++context) {
    add(context, frequencies.subspan(context * alphabet, alphabet));
  }
}

void RansTables::add(std::size_t context, std::span<const std::uint16_t> frequencies) {
  const std::uint32_t sum =
      std::accumulate(frequencies.begin(), frequencies.end(), std::uint32_t{0});
  if (sum != kRansTotal) {
    throw std::invalid_argument("lmgc::coder: table " + std::to_string(context) +
                                " has total frequency " + std::to_string(sum) + ", expected " +
                                std::to_string(kRansTotal) +
                                "; rans_frequencies normalises counts");
  }
  std::uint64_t* encoder = encoder_.data() + context * stride_;
  std::uint32_t* decoder = decoder_.data() + context * stride_;
  std::uint8_t* guesses = guesses_.data() + context * kRansGuesses;
  std::array<std::uint16_t, kRansMaxAlphabet> order;
  const auto places = std::span(order).first(frequencies.size());
  std::iota(places.begin(), places.end(), std::uint16_t{0});
  std::ranges::stable_sort(places, std::greater{}, [&](std::uint16_t i) { return frequencies[i]; });
  std::uint32_t cumulative = 0;
  std::uint32_t guess = 0;
  for (std::uint32_t place = 0; place < places.size(); ++place) {
    const std::uint32_t symbol = places[place];
    const std::uint32_t frequency = frequencies[symbol];
    if (frequency == 0) break;
    encoder[symbol] = rans_encoder_entry(frequency, cumulative);
    decoder[place] = rans_decoder_entry(symbol, frequency, cumulative);
    cumulative += frequency;
    while (guess < kRansGuesses && guess << kRansGuessShift < cumulative) {
      guesses[guess++] = static_cast<std::uint8_t>(place);
    }
  }
}

}  // namespace lmgc::coder
