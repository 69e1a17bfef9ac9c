#include "codec/planes_coder.h"

#include <algorithm>
#include <bit>

#include "codec/byte_stream.h"
#include "codec/payload_error.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"
#include "parallel.h"
#include "prior/adaptive_prior.h"

namespace lmgc::codec {
namespace {

static_assert(std::endian::native == std::endian::little, "payloads are little-endian");

constexpr std::size_t kMaxChunkValues = std::size_t{1} << 16;

/// A parameter, or a piece of a long one, coded with a prior of its own.
struct Chunk {
  std::size_t start, values;
  std::span<const std::byte> coded;
};

constexpr std::size_t kAlphabet = 256;

/// Divides elements of `size` bytes into their highest bytes, `symbols`, and the others, `raw`.
void split(std::span<const std::byte> values, std::size_t size, std::span<std::uint16_t> symbols,
           std::span<std::byte> raw) {
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const auto value = values.subspan(i * size, size);
    std::ranges::copy(value.first(size - 1),
                      raw.begin() + static_cast<std::ptrdiff_t>(i * (size - 1)));
    symbols[i] = std::to_integer<std::uint16_t>(value.back());
  }
}

void join(std::span<const std::uint16_t> symbols, std::span<const std::byte> raw, std::size_t size,
          std::span<std::byte> values) {
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const auto value = values.subspan(i * size, size);
    std::ranges::copy(raw.subspan(i * (size - 1), size - 1), value.begin());
    value.back() = std::byte(symbols[i]);
  }
}

std::vector<Chunk> plan(std::span<const Parameter> parameters) {
  std::vector<Chunk> chunks;
  std::size_t at = 0;
  for (const Parameter& parameter : parameters) {
    for (auto left = static_cast<std::size_t>(parameter.values()); left > 0;) {
      const std::size_t values = std::min(left, kMaxChunkValues);
      chunks.push_back({at, values, {}});
      at += values;
      left -= values;
    }
  }
  return chunks;
}

struct Table {
  std::vector<Chunk> chunks;  ///< without their codes
  std::vector<std::uint64_t> coded_bytes;
  std::size_t values = 0;
};

/// Fewest bytes of a chunk's code: its first 16 symbols have equal frequencies, and all of the code
/// but its last 4 bytes is written whatever they are.
std::size_t least_coded_bytes(std::size_t values) { return values < 16 ? 1 : 12; }

Table read_table(ByteReader& reader) {
  Table table;
  const std::uint64_t count = reader.varint();
  if (count > reader.rest().size() / 2) {  // two bytes each, at least
    throw PayloadError(
        PayloadError::Kind::kTruncated,
        std::to_string(count) + " chunks in " + std::to_string(reader.rest().size()) + " bytes");
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t values = reader.varint();
    const std::uint64_t coded_bytes = reader.varint();
    if (values == 0 || values > kMaxChunkValues || coded_bytes < least_coded_bytes(values)) {
      throw PayloadError(PayloadError::Kind::kCorrupt, "chunk " + std::to_string(i) + " of " +
                                                           std::to_string(values) + " values in " +
                                                           std::to_string(coded_bytes) + " bytes");
    }
    table.chunks.push_back({table.values, values, {}});
    table.coded_bytes.push_back(coded_bytes);
    table.values += values;
  }
  return table;
}

}  // namespace

std::vector<std::byte> encode_planes(serialize::DType dtype, std::span<const std::byte> values,
                                     std::span<const Parameter> parameters) {
  const std::size_t size = serialize::traits(dtype).bytes, count = values.size() / size;
  std::vector<std::uint16_t> symbols(count);
  std::vector<std::byte> raw(count * (size - 1));
  split(values, size, symbols, raw);

  const std::vector<Chunk> chunks = plan(parameters);
  std::vector<std::vector<std::byte>> coded(chunks.size());
  parallel_for(chunks.size(), [&](std::size_t i) {
    prior::AdaptivePrior prior(kAlphabet);
    coder::RangeEncoder encoder;
    for (const std::uint16_t& symbol :
         std::span(symbols).subspan(chunks[i].start, chunks[i].values)) {
      const auto table = prior.cumulative_frequencies();
      encoder.encode({table[symbol], table[symbol + 1u] - table[symbol]});
      prior.update({&symbol, 1});
    }
    coded[i] = std::move(encoder).finish();
  });

  ByteWriter body;
  body.varint(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    body.varint(chunks[i].values);
    body.varint(coded[i].size());
  }
  body.bytes(raw);
  for (const auto& bytes : coded) body.bytes(bytes);
  return std::move(body.written());
}

std::uint64_t planes_capacity_bytes(serialize::DType dtype, std::span<const std::byte> body) {
  ByteReader reader(body);
  const Table table = read_table(reader);
  return std::uint64_t{table.values} * serialize::traits(dtype).bytes;
}

void decode_planes(serialize::DType dtype, std::span<const std::byte> body,
                   std::span<std::byte> values) {
  const std::size_t size = serialize::traits(dtype).bytes, count = values.size() / size;
  ByteReader reader(body);
  Table table = read_table(reader);
  std::vector<Chunk>& chunks = table.chunks;
  if (table.values != count) {
    throw PayloadError(
        PayloadError::Kind::kCorrupt,
        "chunks hold " + std::to_string(table.values) + " of " + std::to_string(count) + " values");
  }
  const auto raw = reader.bytes(count * (size - 1));
  for (std::size_t i = 0; i < chunks.size(); ++i)
    chunks[i].coded = reader.bytes(table.coded_bytes[i]);
  if (!reader.rest().empty()) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "bytes after the last chunk");
  }

  std::vector<std::uint16_t> symbols(count);
  parallel_for(chunks.size(), [&](std::size_t i) {
    prior::AdaptivePrior prior(kAlphabet);
    coder::RangeDecoder decoder(chunks[i].coded);
    for (std::uint16_t& symbol : std::span(symbols).subspan(chunks[i].start, chunks[i].values)) {
      symbol = decoder.decode(prior.cumulative_frequencies());
      prior.update({&symbol, 1});
    }
  });
  join(symbols, raw, size, values);
}

}  // namespace lmgc::codec
