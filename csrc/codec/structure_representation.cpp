#include "codec/structure_representation.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "codec/byte_stream.h"
#include "codec/payload_error.h"
#include "codec/planes_coder.h"
#include "codec/tile_coder.h"
#include "codec/tile_sections.h"
#include "default_environment.h"
#include "hex.h"
#include "parallel.h"
#include "predict/history.h"
#include "predict/tile.h"
#include "serialize/float_words.h"

namespace lmgc::codec {
namespace {

using Shape = std::vector<std::int64_t>;

/// Part of a tensor that is cut into tiles: a matrix, or neighbours that are none as one flat run.
struct Piece {
  std::uint64_t rows, columns;  ///< columns 0: flat, of `rows` values
  const predict::History* history;
  const TilePart* part;  ///< of the history's parameter; null: all of it

  [[nodiscard]] std::uint64_t values() const { return columns == 0 ? rows : rows * columns; }
  [[nodiscard]] Shape shape() const {
    if (columns == 0) return {static_cast<std::int64_t>(rows)};
    return {static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns)};
  }
};

/// A tile in its tensor.
struct Job {
  predict::Tile tile;
  const predict::TileHistory* history;  ///< null: none
  const TilePart* part;                 ///< of the history's tile; null: all of it

  [[nodiscard]] const predict::Model* model() const {
    if (part != nullptr) return part->model.get();
    return history != nullptr ? history->model().get() : nullptr;
  }
  [[nodiscard]] predict::OwnRows own_rows() const {
    predict::OwnRows own = history->own_rows();
    if (part != nullptr) own.keep_to(part->model);
    return own;
  }
};

/// First byte of a tile's code in sections: learning starts from nothing, or from history. Flags of
/// other codes are below.
constexpr std::byte kSections{254}, kSectionsFromHistory{255};

void keep_shorter(std::vector<std::byte>& code, std::byte first, std::vector<std::byte> other) {
  if (other.size() + 1 >= code.size()) return;
  other.insert(other.begin(), first);
  code = std::move(other);
}

std::vector<std::byte> encode_job(serialize::DType dtype, const std::byte* values, const Job& job,
                                  bool own_rows, TileBuffers& buffers) {
  const DefaultEnvironment environment;
  std::vector<std::byte> code = encode_tile(dtype, values, job.tile, job.model(), buffers);
  if (!own_rows || code.empty() || !predict::has_model(job.tile)) return code;
  if (job.history != nullptr) {
    keep_shorter(code, kSectionsFromHistory,
                 encode_sections(dtype, values, job.tile, job.own_rows(), buffers));
  }
  keep_shorter(code, kSections,
               encode_sections(dtype, values, job.tile, predict::OwnRows(job.tile), buffers));
  return code;
}

void decode_job(serialize::DType dtype, std::span<const std::byte> code, const Job& job,
                TileBuffers& buffers, std::byte* values) {
  const DefaultEnvironment environment;
  const std::byte first = code.empty() ? std::byte{0} : code.front();
  if (first == kSections && predict::has_model(job.tile)) {
    decode_sections(dtype, code.subspan(1), job.tile, predict::OwnRows(job.tile), buffers, values);
  } else if (first == kSectionsFromHistory && job.history != nullptr &&
             predict::has_model(job.tile)) {
    decode_sections(dtype, code.subspan(1), job.tile, job.own_rows(), buffers, values);
  } else {
    decode_tile(dtype, code, job.tile, job.model(), buffers, values);
  }
}

/// Of a tile, however few rows.
bool is_part(const Parameter& parameter) {
  return parameter.part != nullptr && parameter.shape.front() > 1;
}

std::vector<Piece> pieces_of(std::span<const Parameter> parameters) {
  std::vector<Piece> pieces;
  for (const Parameter& parameter : parameters) {
    const auto values = static_cast<std::uint64_t>(parameter.values());
    if (values == 0) continue;
    if (predict::is_matrix(parameter.shape) || is_part(parameter)) {
      const auto first =
          std::ranges::find_if(parameter.shape, [](std::int64_t size) { return size > 1; });
      const auto rows = static_cast<std::uint64_t>(*first);
      pieces.push_back({rows, values / rows, parameter.history.get(), parameter.part.get()});
    } else if (!pieces.empty() && pieces.back().columns == 0) {
      pieces.back().rows += values;
    } else {
      pieces.push_back({values, 0, nullptr, nullptr});
    }
  }
  return pieces;
}

std::vector<Job> jobs_of(std::span<const Piece> pieces, bool with_history) {
  std::vector<Job> jobs;
  std::size_t start = 0;
  for (const Piece& piece : pieces) {
    std::size_t at = 0;
    for (predict::Tile tile : predict::tiles_of(piece.shape())) {
      const predict::TileHistory* history = nullptr;
      if (with_history && piece.history != nullptr) {
        history = piece.history->tile_history(piece.part != nullptr ? piece.part->tile : at++);
      }
      tile.start += start;
      jobs.push_back({tile, history, history != nullptr ? piece.part : nullptr});
    }
    start += piece.values();
  }
  return jobs;
}

/// The order that threads take jobs in: what is left at the end is small.
std::vector<std::size_t> largest_first(std::span<const Job> jobs) {
  std::vector<std::size_t> order(jobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{},
                           [&](std::size_t i) { return jobs[i].tile.rows * jobs[i].tile.columns; });
  return order;
}

/// Fingerprint of what all parameters' histories say; 0 if none says anything.
std::uint64_t fingerprint_of(std::span<const Piece> pieces) {
  std::vector<std::uint64_t> fingerprints;
  bool any = false;
  for (const Piece& piece : pieces) {
    const bool own = piece.history != nullptr && piece.history->steps() > 0;
    fingerprints.push_back(own ? piece.history->fingerprint() : 0);
    if (own && piece.part != nullptr) {
      fingerprints.insert(fingerprints.end(),
                          {piece.part->tile, piece.part->top, piece.part->bottom});
    }
    any = any || own;
  }
  return any ? hash(std::as_bytes(std::span(fingerprints))) : 0;
}

struct Table {
  std::uint64_t fingerprint = 0;
  std::vector<Piece> pieces;
  std::uint64_t values = 0;
};

Table read_table(ByteReader& reader) {
  Table table;
  table.fingerprint = reader.fixed<std::uint64_t>();
  const std::uint64_t count = reader.varint();
  if (count > reader.rest().size() / 3) {  // two sizes and a tile, at least
    throw PayloadError(PayloadError::Kind::kTruncated, std::to_string(count) + " parameters in " +
                                                           std::to_string(reader.rest().size()) +
                                                           " bytes");
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t rows = reader.varint(), columns = reader.varint();
    const std::uint64_t left = kMaxExtent - table.values;
    if (rows == 0 || rows > left || (columns > 0 && columns > left / rows)) {
      throw PayloadError(PayloadError::Kind::kCorrupt, "parameter " + std::to_string(i) + " of " +
                                                           std::to_string(rows) + " x " +
                                                           std::to_string(columns) + " values");
    }
    table.pieces.push_back({rows, columns, nullptr, nullptr});
    table.values += table.pieces.back().values();
  }
  return table;
}

std::string hex(std::uint64_t fingerprint) {
  return lmgc::hex(std::as_bytes(std::span(&fingerprint, 1)));
}

/// Gives the payload's pieces the history of `parameters`, which must be what it was coded with.
void attach_history(Table& table, std::span<const Parameter> parameters) {
  const std::vector<Piece> own = pieces_of(parameters);
  const std::uint64_t fingerprint = fingerprint_of(own);
  if (fingerprint != table.fingerprint) {
    throw PayloadError(PayloadError::Kind::kHistory,
                       "coded with history " + hex(table.fingerprint) + ", this codec has " +
                           (fingerprint == 0 ? "none" : hex(fingerprint)) +
                           "; all ranks must observe the same averages from the same step on");
  }
  const bool same = std::ranges::equal(table.pieces, own, [](const Piece& a, const Piece& b) {
    return a.rows == b.rows && a.columns == b.columns;
  });
  if (!same)
    throw PayloadError(PayloadError::Kind::kCorrupt, "other parameters than its history's");
  table.pieces = own;
}

}  // namespace

Parts StructureRepresentation::encode(serialize::DType dtype, std::span<const std::byte> values,
                                      std::span<const Parameter> parameters) const {
  if (!serialize::is_float(dtype)) return {encode_planes(dtype, values, parameters)};
  const std::vector<Piece> pieces = pieces_of(parameters);
  const std::uint64_t fingerprint = fingerprint_of(pieces);
  const std::vector<Job> jobs = jobs_of(pieces, fingerprint != 0);
  std::vector<std::vector<std::byte>> codes(jobs.size());
  const std::vector<std::size_t> order = largest_first(jobs);
  parallel_for_with<TileBuffers>(jobs.size(), [&](std::size_t i, TileBuffers& buffers) {
    const std::size_t job = order[i];
    codes[job] = encode_job(dtype, values.data(), jobs[job], own_rows_, buffers);
  });
  ByteWriter body;
  body.fixed(fingerprint);
  body.varint(pieces.size());
  for (const Piece& piece : pieces) {
    body.varint(piece.rows);
    body.varint(piece.columns);
  }
  for (const auto& code : codes) body.varint(code.size());
  codes.insert(codes.begin(), std::move(body.written()));
  return codes;
}

std::uint64_t StructureRepresentation::capacity_bytes(serialize::DType dtype,
                                                      std::span<const std::byte> body) const {
  if (!serialize::is_float(dtype)) return planes_capacity_bytes(dtype, body);
  ByteReader reader(body);
  const Table table = read_table(reader);
  const std::uint64_t most = reader.rest().size() * std::uint64_t{predict::kMaxTileValues};
  return std::min(table.values, most) * serialize::traits(dtype).bytes;
}

void StructureRepresentation::decode(serialize::DType dtype, std::span<const std::byte> body,
                                     std::span<const Parameter> parameters,
                                     std::span<std::byte> values) const {
  if (!serialize::is_float(dtype)) return decode_planes(dtype, body, values);
  ByteReader reader(body);
  Table table = read_table(reader);
  if (table.values != values.size() / serialize::traits(dtype).bytes) {
    throw PayloadError(PayloadError::Kind::kCorrupt,
                       "parameters of " + std::to_string(table.values) + " values");
  }
  if (table.fingerprint != 0) attach_history(table, parameters);
  const std::vector<Job> jobs = jobs_of(table.pieces, table.fingerprint != 0);
  std::vector<std::uint64_t> sizes;
  for (std::size_t i = 0; i < jobs.size(); ++i) sizes.push_back(reader.varint());
  std::vector<std::span<const std::byte>> codes;
  for (const std::uint64_t size : sizes) codes.push_back(reader.bytes(size));
  if (!reader.rest().empty()) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "bytes after the last tile");
  }
  const std::vector<std::size_t> order = largest_first(jobs);
  parallel_for_with<TileBuffers>(jobs.size(), [&](std::size_t i, TileBuffers& buffers) {
    const std::size_t job = order[i];
    decode_job(dtype, codes[job], jobs[job], buffers, values.data());
  });
}

}  // namespace lmgc::codec
