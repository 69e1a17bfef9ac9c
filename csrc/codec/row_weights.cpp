#include "codec/row_weights.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/side_symbols.h"

namespace lmgc::codec {
namespace {

/// Those of rows that have so many above them.
template <typename Weights>
auto sent_part(Weights& weights, std::size_t above) {
  return std::span(weights).subspan(std::min(above, weights.size()));
}

void decode_within(coder::RangeDecoder& decoder, std::span<std::int16_t> numbers, int most) {
  decode_side_symbols(decoder, numbers);
  for (std::int16_t& number : numbers) {
    number = static_cast<std::int16_t>(std::clamp<int>(number, -most, most));
  }
}

}  // namespace

void encode_row_weights(const predict::RowWeights& all, coder::RangeEncoder& encoder) {
  encode_side_symbols(all.exponents, encoder);
  for (std::size_t k = 0; k < all.weights.size(); ++k) {
    encode_side_symbols(sent_part(all.weights[k], k + 1), encoder);
  }
}

predict::RowWeights decode_row_weights(coder::RangeDecoder& decoder, std::size_t rows,
                                       std::size_t above) {
  predict::RowWeights all{
      std::vector<std::int16_t>(rows),
      std::vector<std::vector<std::int16_t>>(above, std::vector<std::int16_t>(rows))};
  decode_within(decoder, all.exponents, predict::kMaxAboveExponent);
  for (std::size_t k = 0; k < above; ++k) {
    decode_within(decoder, sent_part(all.weights[k], k + 1), predict::kMaxAboveWeight);
  }
  return all;
}

}  // namespace lmgc::codec
