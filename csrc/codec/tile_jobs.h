#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "codec/byte_stream.h"
#include "codec/parameter.h"
#include "predict/own_rows.h"
#include "predict/tile_history.h"

/// What a tensor of parameters is cut into to be coded, with what history says about it.
namespace lmgc::codec {

/// Part of a tensor that is cut into tiles: a matrix, or neighbours that are none as one flat run.
struct Piece {
  std::uint64_t rows, columns;  ///< columns 0: flat, of `rows` values
  const predict::History* history;
  const TilePart* part;  ///< of the history's parameter; null: all of it

  [[nodiscard]] std::uint64_t values() const { return columns == 0 ? rows : rows * columns; }
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

[[nodiscard]] std::vector<Piece> pieces_of(std::span<const Parameter> parameters);
[[nodiscard]] std::vector<Job> jobs_of(std::span<const Piece> pieces, bool with_history);

/// The order that threads take jobs in: what is left at the end is small.
[[nodiscard]] std::vector<std::size_t> largest_first(std::span<const Job> jobs);

/// Fingerprint of what all parameters' histories say; 0 if none says anything.
[[nodiscard]] std::uint64_t fingerprint_of(std::span<const Piece> pieces);

/// How a body begins.
struct Table {
  std::uint64_t fingerprint = 0;
  std::vector<Piece> pieces;
  std::uint64_t values = 0;
};
void write_table(std::uint64_t fingerprint, std::span<const Piece> pieces, ByteWriter& writer);
/// Throws PayloadError. Its pieces have no history.
[[nodiscard]] Table read_table(ByteReader& reader);
/// Gives the payload's pieces the history of `parameters`, which must be what it was coded with:
/// else throws PayloadError. Does nothing for a payload without.
void attach_history(Table& table, std::span<const Parameter> parameters);

}  // namespace lmgc::codec
