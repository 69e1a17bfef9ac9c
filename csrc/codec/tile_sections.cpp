#include "codec/tile_sections.h"

#include <memory>

#include "codec/byte_stream.h"
#include "codec/payload_error.h"
#include "serialize/float_words.h"

namespace lmgc::codec {
namespace {

using serialize::DType;

/// Rows [top, bottom) of a tile: those of a model, which names their places, or by place.
predict::Tile section_of(const predict::Tile& tile, std::size_t top, std::size_t bottom,
                         const predict::Model* model) {
  const std::size_t start = model != nullptr ? tile.start : tile.start + top * tile.stride;
  return {start, bottom - top, tile.columns, tile.stride};
}

/// Values of the rows at `places`, by column, as float32.
std::vector<float> lifted_rows(DType dtype, const std::byte* values, const predict::Tile& tile,
                               std::span<const std::uint16_t> places) {
  std::vector<float> lifted(places.size() * tile.columns);
  const std::size_t size = serialize::traits(dtype).bytes;
  for (std::size_t i = 0; i < places.size(); ++i) {
    serialize::lift_all(dtype, values + (tile.start + places[i] * tile.stride) * size, tile.columns,
                        lifted.data() + i * tile.columns);
  }
  return lifted;
}

}  // namespace

void each_section(DType dtype, const std::byte* values, const predict::Tile& tile,
                  predict::OwnRows& own, const SectionCoding& coding) {
  const std::vector<std::size_t> edges = own.sections();
  for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
    const std::size_t top = edges[i], bottom = edges[i + 1];
    std::shared_ptr<const predict::Model> model;
    if (i == 0) {
      model = own.first(bottom);
    } else {
      const auto before = own.row_order().subspan(edges[i - 1], top - edges[i - 1]);
      model = own.next(lifted_rows(dtype, values, tile, before), bottom);
    }
    coding(section_of(tile, top, bottom, model.get()), model.get());
  }
}

std::vector<std::byte> joined_sections(std::span<const std::vector<std::byte>> codes) {
  ByteWriter code;
  for (const auto& section : codes) {
    code.varint(section.size());
    code.bytes(section);
  }
  return std::move(code.written());
}

void keep_shorter(std::vector<std::byte>& code, std::byte first, std::vector<std::byte> other) {
  if (other.size() + 1 >= code.size()) return;
  other.insert(other.begin(), first);
  code = std::move(other);
}

std::vector<std::byte> encode_sections(DType dtype, const std::byte* values,
                                       const predict::Tile& tile, predict::OwnRows own,
                                       TileBuffers& buffers) {
  std::vector<std::vector<std::byte>> codes;
  each_section(dtype, values, tile, own,
               [&](const predict::Tile& section, const predict::Model* model) {
                 // Only its model knows where a section's rows are.
                 const bool rows_above = model == nullptr;
                 codes.push_back(encode_tile(dtype, values, section, model, rows_above, buffers));
               });
  return joined_sections(codes);
}

void decode_sections(DType dtype, std::span<const std::byte> code, const predict::Tile& tile,
                     predict::OwnRows own, TileBuffers& buffers, std::byte* values) {
  ByteReader reader(code);
  each_section(dtype, values, tile, own,
               [&](const predict::Tile& section, const predict::Model* model) {
                 const auto bytes = reader.bytes(reader.varint());
                 decode_tile(dtype, bytes, section, model, buffers, values);
               });
  if (!reader.rest().empty()) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "bytes after a tile's last section");
  }
}

}  // namespace lmgc::codec
