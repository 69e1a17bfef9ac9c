#include "codec/side_symbols.h"

#include <algorithm>
#include <array>
#include <vector>

#include "predict/scales.h"
#include "prior/adaptive_prior.h"

namespace lmgc::codec {
namespace {

using predict::kZeroLine;

constexpr int kMostNear = 31;  // further from the middle, a number follows whole
constexpr std::uint16_t kZeroSymbol = 2 * kMostNear + 1;
constexpr std::uint16_t kFarSymbol = kZeroSymbol + 1;
constexpr std::size_t kAlphabet = kFarSymbol + 1;

/// Cumulative frequencies of 256 symbols that count alike.
std::span<const std::uint32_t> uniform() {
  static constexpr auto kTable = [] {
    std::array<std::uint32_t, 257> cumulative{};
    for (std::uint32_t i = 0; i <= 256; ++i) cumulative[i] = i * (coder::kTotalFrequency / 256);
    return cumulative;
  }();
  return kTable;
}

void encode_symbol(coder::RangeEncoder& encoder, std::span<const std::uint32_t> table,
                   std::uint16_t symbol) {
  encoder.encode({table[symbol], table[symbol + 1U] - table[symbol]});
}

void encode_whole(coder::RangeEncoder& encoder, std::int16_t number) {
  const auto bits = static_cast<std::uint16_t>(number);
  encode_symbol(encoder, uniform(), bits >> 8);
  encode_symbol(encoder, uniform(), bits & 255);
}

std::int16_t decode_whole(coder::RangeDecoder& decoder) {
  const std::uint16_t high = decoder.decode(uniform());
  return static_cast<std::int16_t>(high << 8 | decoder.decode(uniform()));
}

std::int16_t middle_of(std::span<const std::int16_t> numbers) {
  std::vector<std::int16_t> sorted;
  std::ranges::copy_if(numbers, std::back_inserter(sorted),
                       [](std::int16_t number) { return number != kZeroLine; });
  if (sorted.empty()) return 0;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

}  // namespace

void encode_side_symbols(std::span<const std::int16_t> numbers, coder::RangeEncoder& encoder) {
  const std::int16_t middle = middle_of(numbers);
  encode_whole(encoder, middle);
  prior::AdaptivePrior prior(kAlphabet);
  for (const std::int16_t number : numbers) {
    const int distance = number - middle;
    const std::uint16_t symbol = number == kZeroLine ? kZeroSymbol
                                 : distance < -kMostNear || distance > kMostNear
                                     ? kFarSymbol
                                     : static_cast<std::uint16_t>(distance + kMostNear);
    encode_symbol(encoder, prior.cumulative_frequencies(), symbol);
    prior.update({&symbol, 1});
    if (symbol == kFarSymbol) encode_whole(encoder, number);
  }
}

void decode_side_symbols(coder::RangeDecoder& decoder, std::span<std::int16_t> numbers) {
  const std::int16_t middle = decode_whole(decoder);
  prior::AdaptivePrior prior(kAlphabet);
  for (std::int16_t& number : numbers) {
    const std::uint16_t symbol = decoder.decode(prior.cumulative_frequencies());
    prior.update({&symbol, 1});
    if (symbol == kZeroSymbol) {
      number = kZeroLine;
    } else if (symbol == kFarSymbol) {
      number = decode_whole(decoder);
    } else {
      number = static_cast<std::int16_t>(middle + symbol - kMostNear);
    }
  }
}

}  // namespace lmgc::codec
