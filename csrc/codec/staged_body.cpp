#include "codec/staged_body.h"

#include <algorithm>
#include <string>
#include <utility>

#include "codec/draw.h"
#include "codec/levels_coder.h"
#include "codec/levels_text.h"
#include "codec/payload_error.h"
#include "codec/sparse_coder.h"

namespace lmgc::codec {
namespace {

using serialize::DType;

/// How the kept values of a sparse tensor are sent.
enum class Kept : std::uint8_t { kSizes, kStructure, kLevels, kText, kLevelsText };
constexpr std::uint8_t kDrawn = 128;

bool is_text(const Representation& representation) {
  return representation.preset() == Preset::kPaper;
}

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

struct KeptCode {
  Kept form = Kept::kSizes;
  std::vector<std::byte> code;
};

/// `runs`: as encode_sizes takes them.
KeptCode encode_kept(const Staged& staged, std::span<const std::size_t> runs,
                     const Representation& representation) {
  const auto count = static_cast<std::size_t>(staged.kept.numel());
  if (count == 0) return {};
  const Parameter parameter{flat(count)};
  if (staged.integers.defined()) {
    const Levels levels = levels_of(staged);
    if (is_text(representation)) {
      return {Kept::kLevelsText, joined(encode_levels_text(levels, representation))};
    }
    return {Kept::kLevels, joined(encode_levels(levels, {&parameter, 1}, false))};
  }
  const at::Tensor values = staged.floats.to(at::kFloat);
  const auto floats = elements<float>(values);
  std::vector<std::byte> own =
      joined(representation.encode(DType::kFloat32, std::as_bytes(floats), {&parameter, 1}));
  if (is_text(representation)) return {Kept::kText, std::move(own)};
  std::vector<std::byte> sizes = encode_sizes(floats, runs);
  if (own.size() < sizes.size()) return {Kept::kStructure, std::move(own)};
  return {Kept::kSizes, std::move(sizes)};
}

Parts encode_sparse(const Staged& staged, std::span<const Parameter> parameters,
                    const Representation& representation) {
  const auto places = elements<std::int64_t>(staged.kept);
  ByteWriter head;
  head.varint(places.size());
  std::vector<std::size_t> runs{places.size()};
  if (staged.seed) {
    head.fixed(*staged.seed);
  } else if (!places.empty()) {
    runs = encode_places(places, parameters, head);
  }
  KeptCode kept = encode_kept(staged, runs, representation);
  ByteWriter kind;
  kind.fixed(static_cast<std::uint8_t>(static_cast<int>(kept.form) | (staged.seed ? kDrawn : 0)));
  return {std::move(kind.written()), std::move(head.written()), std::move(kept.code)};
}

void decode_kept(Kept form, std::span<const std::byte> code, std::span<const std::size_t> runs,
                 const Representation& representation, std::span<float> kept) {
  const bool text = form == Kept::kText || form == Kept::kLevelsText;
  if (text != is_text(representation)) {
    throw PayloadError(PayloadError::Kind::kPreset,
                       std::string("kept values written by preset ") +
                           preset_name(text ? Preset::kPaper : Preset::kStructure) +
                           ", this codec is " + preset_name(representation.preset()));
  }
  const Parameter parameter{flat(kept.size())};
  switch (form) {
    case Kept::kSizes:
      return decode_sizes(code, runs, kept);
    case Kept::kStructure:
    case Kept::kText:
      return representation.decode(DType::kFloat32, code, {&parameter, 1},
                                   std::as_writable_bytes(kept));
    case Kept::kLevels:
      return decode_levels(code, {&parameter, 1}, kept);
    case Kept::kLevelsText:
      return decode_levels_text(code, representation, kept);
  }
}

void decode_sparse(std::span<const std::byte> body, const Representation& representation,
                   std::span<float> values) {
  ByteReader reader(body);
  const auto kind = reader.fixed<std::uint8_t>();
  const std::uint64_t count = reader.varint();
  if (count > values.size() || (kind & ~kDrawn) > static_cast<int>(Kept::kLevelsText)) {
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
  if (count > 0) {
    decode_kept(static_cast<Kept>(kind & ~kDrawn), reader.rest(), coded.runs, representation, kept);
  }
  std::ranges::fill(values, 0.0F);
  for (std::size_t i = 0; i < count; ++i) values[static_cast<std::size_t>(places[i])] = kept[i];
}

}  // namespace

Preset preset_of(const Staged& staged, const Representation& representation) {
  if (staged.kept.defined()) return Preset::kSparse;
  if (!staged.integers.defined()) return Preset::kRaw;
  return is_text(representation) ? Preset::kLevelsText : Preset::kLevels;
}

Parts encode_staged(const Staged& staged, std::span<const Parameter> parameters,
                    const Representation& representation) {
  switch (preset_of(staged, representation)) {
    case Preset::kSparse:
      return encode_sparse(staged, parameters, representation);
    case Preset::kLevelsText:
      return encode_levels_text(levels_of(staged), representation);
    default:
      return encode_levels(levels_of(staged), parameters, representation.own_rows());
  }
}

bool reads_staged(Preset preset, const Representation& representation) {
  return preset == Preset::kSparse ||
         preset == (is_text(representation) ? Preset::kLevelsText : Preset::kLevels);
}

std::uint64_t staged_capacity_bytes(Preset preset, std::span<const std::byte> body) {
  if (preset == Preset::kLevels) return sizeof(float) * levels_capacity(body);
  // Of values that are not kept, or have no step, next to nothing is sent.
  constexpr std::uint64_t kEmpty = std::uint64_t{1} << 29, kEachByte = std::uint64_t{1} << 19;
  return sizeof(float) * (kEmpty + body.size() * kEachByte);
}

void decode_staged(Preset preset, std::span<const std::byte> body,
                   std::span<const Parameter> parameters, const Representation& representation,
                   std::span<float> values) {
  if (preset == Preset::kSparse) return decode_sparse(body, representation, values);
  if (preset == Preset::kLevelsText) return decode_levels_text(body, representation, values);
  decode_levels(body, parameters, values);
}

}  // namespace lmgc::codec
