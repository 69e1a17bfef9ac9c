#include "codec/planes_representation.h"

#include <algorithm>
#include <limits>

#include "codec/byte_stream.h"
#include "codec/payload_error.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"
#include "parallel.h"
#include "prior/adaptive_prior.h"
#include "serialize/planes.h"

namespace lmgc::codec {
namespace {

constexpr std::size_t kMaxChunkValues = std::size_t{1} << 16;

/// A parameter, or a piece of a long one, coded with a prior of its own.
struct Chunk {
  std::size_t start, values;
  std::span<const std::byte> coded;
};

std::size_t alphabet(serialize::DType dtype) {
  return std::size_t{1} << serialize::traits(dtype).symbol_bits;
}

std::vector<Chunk> plan(std::span<const std::int64_t> lengths) {
  std::vector<Chunk> chunks;
  std::size_t at = 0;
  for (const std::int64_t length : lengths) {
    for (std::size_t left = static_cast<std::size_t>(length); left > 0;) {
      const std::size_t values = std::min(left, kMaxChunkValues);
      chunks.push_back({at, values, {}});
      at += values;
      left -= values;
    }
  }
  return chunks;
}

}  // namespace

std::vector<std::byte> PlanesRepresentation::encode(serialize::DType dtype,
                                                    std::span<const std::byte> values,
                                                    std::span<const std::int64_t> lengths) const {
  const std::size_t count = values.size() / serialize::traits(dtype).bytes;
  std::vector<std::uint16_t> symbols(count);
  std::vector<std::byte> raw(serialize::raw_plane_bytes(dtype, count));
  serialize::split(dtype, values, symbols, raw);

  const std::vector<Chunk> chunks = plan(lengths);
  std::vector<std::vector<std::byte>> coded(chunks.size());
  parallel_for(chunks.size(), [&](std::size_t i) {
    prior::AdaptivePrior prior(alphabet(dtype));
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

std::uint64_t PlanesRepresentation::capacity_bytes(serialize::DType dtype,
                                                   std::uint64_t body_bytes) const {
  const auto& traits = serialize::traits(dtype);
  const std::uint64_t by_chunks = body_bytes / 2 * kMaxChunkValues;  // two table bytes each
  const std::uint64_t by_raw = traits.raw_bits == 0
                                   ? std::numeric_limits<std::uint64_t>::max()
                                   : body_bytes * 8 / static_cast<std::uint64_t>(traits.raw_bits);
  return std::min(by_chunks, by_raw) * traits.bytes;
}

void PlanesRepresentation::decode(serialize::DType dtype, std::span<const std::byte> body,
                                  std::span<std::byte> values) const {
  const std::size_t count = values.size() / serialize::traits(dtype).bytes;
  ByteReader reader(body);
  const std::uint64_t chunk_count = reader.varint();
  if (chunk_count > reader.rest().size() / 2) {  // two bytes of the table each, at least
    throw PayloadError(PayloadError::Kind::kTruncated, std::to_string(chunk_count) + " chunks in " +
                                                           std::to_string(reader.rest().size()) +
                                                           " bytes");
  }
  std::vector<Chunk> chunks(chunk_count);
  std::vector<std::uint64_t> coded_bytes(chunks.size());
  std::size_t at = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const std::uint64_t length = reader.varint();
    coded_bytes[i] = reader.varint();
    if (length == 0 || length > std::min(kMaxChunkValues, count - at)) {
      throw PayloadError(PayloadError::Kind::kCorrupt, "chunk " + std::to_string(i) + " of " +
                                                           std::to_string(length) + " values");
    }
    chunks[i] = {at, length, {}};
    at += length;
  }
  if (at != count) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "chunks hold " + std::to_string(at) + " of " +
                                                         std::to_string(count) + " values");
  }
  const auto raw = reader.bytes(serialize::raw_plane_bytes(dtype, count));
  for (std::size_t i = 0; i < chunks.size(); ++i) chunks[i].coded = reader.bytes(coded_bytes[i]);
  if (!reader.rest().empty()) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "bytes after the last chunk");
  }

  std::vector<std::uint16_t> symbols(count);
  parallel_for(chunks.size(), [&](std::size_t i) {
    prior::AdaptivePrior prior(alphabet(dtype));
    coder::RangeDecoder decoder(chunks[i].coded);
    for (std::uint16_t& symbol : std::span(symbols).subspan(chunks[i].start, chunks[i].values)) {
      symbol = decoder.decode(prior.cumulative_frequencies());
      prior.update({&symbol, 1});
    }
  });
  serialize::join(dtype, symbols, raw, values);
}

}  // namespace lmgc::codec
