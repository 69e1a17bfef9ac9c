#include "codec/staged_body.h"

#include <algorithm>
#include <utility>

#include "codec/draw.h"
#include "codec/levels_coder.h"
#include "codec/payload_error.h"
#include "codec/sparse_coder.h"

namespace lmgc::codec {
namespace {

using serialize::DType;

/// How the kept values of a sparse tensor are sent.
enum class Kept : std::uint8_t { kSizes, kStructure, kLevels };
constexpr std::uint8_t kDrawn = 128;

template <typename Element>
std::span<const Element> elements(const at::Tensor& tensor) {
  return {static_cast<const Element*>(tensor.const_data_ptr()),
          static_cast<std::size_t>(tensor.numel())};
}

Levels levels_of(const Staged& staged) {
  return {staged.range, staged.runs, elements<std::uint16_t>(staged.steps),
          elements<std::int8_t>(staged.integers)};
}

std::vector<std::byte> joined(const Parts& parts) {
  std::vector<std::byte> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

Parameter flat(std::size_t count) { return {{static_cast<std::int64_t>(count)}, nullptr}; }

Parts encode_sparse(const Staged& staged, std::span<const Parameter> parameters,
                    const Representation& structure) {
  const auto places = elements<std::int64_t>(staged.kept);
  const std::size_t count = places.size();
  ByteWriter head;
  head.varint(count);
  std::vector<std::size_t> runs{count};
  if (staged.seed) {
    head.fixed(*staged.seed);
  } else if (count > 0) {
    runs = encode_places(places, parameters, head);
  }
  const Parameter kept{flat(count)};
  Kept form = Kept::kSizes;
  std::vector<std::byte> code;
  if (count > 0 && staged.integers.defined()) {
    code = joined(encode_levels(levels_of(staged), {&kept, 1}, false));
    form = Kept::kLevels;
  } else if (count > 0) {
    const at::Tensor values = staged.values.index_select(0, staged.kept);
    const auto floats = elements<float>(values);
    code = encode_sizes(floats, runs);
    std::vector<std::byte> other =
        joined(structure.encode(DType::kFloat32, std::as_bytes(floats), {&kept, 1}));
    if (other.size() < code.size()) {
      code = std::move(other);
      form = Kept::kStructure;
    }
  }
  ByteWriter kind;
  kind.fixed(static_cast<std::uint8_t>(static_cast<int>(form) | (staged.seed ? kDrawn : 0)));
  return {std::move(kind.written()), std::move(head.written()), std::move(code)};
}

void decode_sparse(std::span<const std::byte> body, const Representation& structure,
                   std::span<float> values) {
  ByteReader reader(body);
  const auto kind = reader.fixed<std::uint8_t>();
  const std::uint64_t count = reader.varint();
  if (count > values.size() || (kind & ~kDrawn) > static_cast<int>(Kept::kLevels)) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "a sparse tensor's head");
  }
  at::Tensor drawn_places;
  Places coded{{}, {count}};
  std::span<const std::int64_t> places;
  if (kind & kDrawn) {
    drawn_places = drawn(static_cast<std::int64_t>(values.size()), static_cast<std::int64_t>(count),
                         reader.fixed<std::uint64_t>(), at::TensorOptions());
    places = elements<std::int64_t>(drawn_places);
  } else if (count > 0) {
    coded = decode_places(reader, count, values.size());
    places = coded.places;
  }
  std::vector<float> kept(count);
  const Parameter parameter{flat(count)};
  switch (static_cast<Kept>(kind & ~kDrawn)) {
    case Kept::kSizes:
      if (count > 0) decode_sizes(reader.rest(), coded.runs, kept);
      break;
    case Kept::kStructure:
      structure.decode(DType::kFloat32, reader.rest(), {&parameter, 1},
                       std::as_writable_bytes(std::span(kept)));
      break;
    case Kept::kLevels:
      decode_levels(reader.rest(), {&parameter, 1}, kept);
      break;
  }
  std::ranges::fill(values, 0.0F);
  for (std::size_t i = 0; i < count; ++i) values[static_cast<std::size_t>(places[i])] = kept[i];
}

}  // namespace

Preset preset_of(const Staged& staged) {
  if (staged.kept.defined()) return Preset::kSparse;
  return staged.integers.defined() ? Preset::kLevels : Preset::kRaw;
}

Parts encode_staged(const Staged& staged, std::span<const Parameter> parameters,
                    const Representation& structure) {
  if (preset_of(staged) == Preset::kSparse) return encode_sparse(staged, parameters, structure);
  return encode_levels(levels_of(staged), parameters, structure.own_rows());
}

std::uint64_t staged_capacity_bytes(Preset preset, std::span<const std::byte> body) {
  // Of a sparse tensor next to nothing may be sent.
  constexpr std::uint64_t kEmpty = std::uint64_t{1} << 29, kEachByte = std::uint64_t{1} << 19;
  if (preset == Preset::kSparse) return sizeof(float) * (kEmpty + body.size() * kEachByte);
  return sizeof(float) * levels_capacity(body);
}

void decode_staged(Preset preset, std::span<const std::byte> body,
                   std::span<const Parameter> parameters, const Representation& structure,
                   std::span<float> values) {
  if (preset == Preset::kSparse) return decode_sparse(body, structure, values);
  decode_levels(body, parameters, values);
}

}  // namespace lmgc::codec
