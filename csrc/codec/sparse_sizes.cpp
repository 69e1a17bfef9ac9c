#include <algorithm>
#include <bit>
#include <utility>

#include "codec/payload_error.h"
#include "codec/sparse_coder.h"
#include "coder/bit_stream.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"
#include "prior/adaptive_prior.h"

namespace lmgc::codec {
namespace {

constexpr int kStepBits = 18;  // a symbol is 1/32 octave
constexpr std::uint32_t kFar = 255;

std::uint32_t size_bits(float value) { return std::bit_cast<std::uint32_t>(value) & 0x7fffffff; }

}  // namespace

std::vector<std::byte> encode_sizes(std::span<const float> values,
                                    std::span<const std::size_t> runs) {
  std::uint32_t all = 0;
  for (const float value : values) all |= size_bits(value);
  const int shared_zeros = std::min(std::countr_zero(all | 1U << kStepBits), kStepBits);
  std::vector<std::byte> raw_bytes(values.size() * sizeof(std::uint32_t) +
                                   coder::BitWriter::kSlackBytes);
  coder::BitWriter raw(raw_bytes.data());
  coder::RangeEncoder encoder;
  prior::AdaptivePrior prior(kFar + 1);
  ByteWriter code;
  code.fixed(static_cast<std::uint8_t>(shared_zeros));
  std::size_t start = 0;
  for (const std::size_t count : runs) {
    if (count == 0) continue;
    const auto run = values.subspan(start, count);
    start += count;
    const std::uint32_t least =
        size_bits(*std::ranges::min_element(run, {}, [](float value) { return size_bits(value); }));
    code.fixed(least);
    for (const float value : run) {
      const std::uint32_t above = size_bits(value) - least;
      const auto symbol = static_cast<std::uint16_t>(std::min(above >> kStepBits, kFar));
      const auto table = prior.cumulative_frequencies();
      encoder.encode({table[symbol], table[symbol + 1U] - table[symbol]});
      prior.update({&symbol, 1});
      const int bits = (symbol == kFar ? 31 : kStepBits) - shared_zeros;
      const std::uint64_t rest = symbol == kFar ? above : above & ((1U << kStepBits) - 1);
      const auto sign = std::uint64_t{std::bit_cast<std::uint32_t>(value) >> 31};
      raw.put(rest >> shared_zeros << 1 | sign, bits + 1);
    }
  }
  const std::vector<std::byte> symbols = std::move(encoder).finish();
  code.varint(symbols.size());
  code.bytes(symbols);
  code.bytes({raw_bytes.data(), raw.end()});
  return std::move(code.written());
}

void decode_sizes(std::span<const std::byte> code, std::span<const std::size_t> runs,
                  std::span<float> values) {
  ByteReader reader(code);
  const int shared_zeros = reader.fixed<std::uint8_t>();
  if (shared_zeros > kStepBits) throw PayloadError(PayloadError::Kind::kCorrupt, "sizes");
  std::vector<std::uint32_t> least;
  for (const std::size_t count : runs) {
    least.push_back(count > 0 ? reader.fixed<std::uint32_t>() : 0);
  }
  coder::RangeDecoder decoder(reader.bytes(reader.varint()));
  coder::BitReader raw(reader.rest());
  prior::AdaptivePrior prior(kFar + 1);
  std::size_t at = 0;
  for (std::size_t run = 0; run < runs.size(); ++run) {
    for (std::size_t i = 0; i < runs[run]; ++i) {
      const std::uint16_t symbol = decoder.decode(prior.cumulative_frequencies());
      prior.update({&symbol, 1});
      const int bits = (symbol == kFar ? 31 : kStepBits) - shared_zeros;
      const std::uint64_t taken = raw.take(bits + 1);
      const auto rest = static_cast<std::uint32_t>(taken >> 1) << shared_zeros;
      const std::uint32_t above = symbol == kFar ? rest : std::uint32_t{symbol} << kStepBits | rest;
      values[at++] = std::bit_cast<float>(((least[run] + above) & 0x7fffffff) |
                                          static_cast<std::uint32_t>(taken & 1) << 31);
    }
  }
}

}  // namespace lmgc::codec
