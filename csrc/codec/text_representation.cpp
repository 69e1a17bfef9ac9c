#include "codec/text_representation.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "codec/byte_stream.h"
#include "codec/payload_error.h"
#include "coder/range_encoder.h"
#include "parallel.h"

namespace lmgc::codec {
namespace {

using Kind = PayloadError::Kind;

}  // namespace

TextRepresentation::TextRepresentation(const TextHead& head, std::size_t max_window,
                                       std::size_t lanes, PriorFactory prior)
    : head_(head), lanes_(lanes), prior_(std::move(prior)) {
  if (head.window > max_window || head.format.symbols_per_window(head.window) == 0) {
    throw std::invalid_argument("lmgc: a window of " + std::to_string(head.window) +
                                " tokens; it must hold one group and the token that opens it, and "
                                "this model sees at most " +
                                std::to_string(max_window));
  }
}

template <typename Work>
void TextRepresentation::for_lanes(std::size_t chunks, const Work& work) const {
  std::size_t lanes = lanes_;
  for (std::size_t first = 0; first < chunks;) {
    const std::size_t left = chunks - first, parts = (left + lanes - 1) / lanes;
    const std::size_t now = (left + parts - 1) / parts;  // none much smaller than the others
    try {
      work(first, now);
    } catch (const std::bad_alloc&) {
      if (now == 1) throw;
      lanes = now / 2;
      continue;
    }
    first += now;
  }
}

Parts TextRepresentation::encode(serialize::DType dtype, std::span<const std::byte> values,
                                 std::span<const Parameter>) const {
  const std::vector<std::uint16_t> symbols = head_.format.to_symbols(dtype, values);
  const std::size_t run = head_.format.symbols_per_window(head_.window);
  const std::size_t count = (symbols.size() + run - 1) / run;
  const auto prior = prior_(head_.format, head_.window);
  std::vector<std::vector<std::byte>> chunks(count);
  for_lanes(count, [&](std::size_t first, std::size_t lanes) {
    const std::size_t start = first * run;
    prior->intervals(
        std::span(symbols).subspan(start, std::min(lanes * run, symbols.size() - start)), run,
        [&](std::size_t chunk, std::span<const coder::Interval> intervals) {
          parallel_for((intervals.size() + run - 1) / run, [&](std::size_t i) {
            const std::size_t at = i * run;
            chunks[first + chunk + i] =
                coder::encode(intervals.subspan(at, std::min(run, intervals.size() - at)));
          });
        });
  });

  ByteWriter body;
  head_.write(body);
  for (const auto& chunk : chunks) body.varint(chunk.size());
  chunks.insert(chunks.begin(), std::move(body.written()));
  return chunks;
}

std::uint64_t TextRepresentation::capacity_bytes(serialize::DType,
                                                 std::span<const std::byte> body) const {
  return body.size() / 2 * head_.window;  // a chunk takes a byte of the table and one of code
}

void TextRepresentation::decode(serialize::DType dtype, std::span<const std::byte> body,
                                std::span<const Parameter>, std::span<std::byte> values) const {
  ByteReader reader(body);
  const TextHead head = head_.read(reader);
  const serialize::TextFormat& format = head.format;
  const std::size_t run = format.symbols_per_window(head.window);
  const std::size_t symbol_count = values.size() * format.symbols_per_byte();
  const std::size_t chunk_count = (symbol_count + run - 1) / run;
  if (chunk_count > reader.rest().size() / 2) {  // a byte of the table and one of code, at least
    throw PayloadError(Kind::kTruncated, std::to_string(chunk_count) + " chunks in " +
                                             std::to_string(reader.rest().size()) + " bytes");
  }
  std::vector<std::uint64_t> sizes(chunk_count);
  for (std::uint64_t& size : sizes) size = reader.varint();
  std::vector<std::span<const std::byte>> chunks;
  for (const std::uint64_t size : sizes) chunks.push_back(reader.bytes(size));
  if (!reader.rest().empty()) throw PayloadError(Kind::kCorrupt, "bytes after the last chunk");

  std::vector<std::uint16_t> symbols(symbol_count);
  const auto prior = prior_(format, head.window);
  for_lanes(chunks.size(), [&](std::size_t first, std::size_t lanes) {
    const std::size_t start = first * run;
    prior->decode(std::span(chunks).subspan(first, lanes), run,
                  std::span(symbols).subspan(start, std::min(lanes * run, symbols.size() - start)));
  });
  format.from_symbols(dtype, symbols, values);
}

}  // namespace lmgc::codec
