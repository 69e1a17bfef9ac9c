#include "codec/tile_jobs.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>

#include "codec/header.h"
#include "codec/payload_error.h"
#include "hex.h"
#include "predict/history.h"
#include "predict/tile.h"

namespace lmgc::codec {
namespace {

std::vector<std::int64_t> shape_of(const Piece& piece) {
  if (piece.columns == 0) return {static_cast<std::int64_t>(piece.rows)};
  return {static_cast<std::int64_t>(piece.rows), static_cast<std::int64_t>(piece.columns)};
}

/// Of a tile, however few rows.
bool is_part(const Parameter& parameter) {
  return parameter.part != nullptr && parameter.shape.front() > 1;
}

std::string hex(std::uint64_t fingerprint) {
  return lmgc::hex(std::as_bytes(std::span(&fingerprint, 1)));
}

}  // namespace

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
    for (predict::Tile tile : predict::tiles_of(shape_of(piece))) {
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

std::vector<std::size_t> largest_first(std::span<const Job> jobs) {
  std::vector<std::size_t> order(jobs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{},
                           [&](std::size_t i) { return jobs[i].tile.rows * jobs[i].tile.columns; });
  return order;
}

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

void write_table(std::uint64_t fingerprint, std::span<const Piece> pieces, ByteWriter& writer) {
  writer.fixed(fingerprint);
  writer.varint(pieces.size());
  for (const Piece& piece : pieces) {
    writer.varint(piece.rows);
    writer.varint(piece.columns);
  }
}

void attach_history(Table& table, std::span<const Parameter> parameters) {
  if (table.fingerprint == 0) return;
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

}  // namespace lmgc::codec
