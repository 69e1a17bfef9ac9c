#pragma once

#include <cstddef>
#include <cstring>
#include <numeric>
#include <vector>

#include "predict/model.h"
#include "predict/predictor.h"
#include "predict/tile.h"
#include "serialize/float_words.h"

namespace lmgc::codec {

/// A tile's values seen in coding order: the model's, or their own.
template <serialize::DType dtype>
class TileOrder {
 public:
  using Word = typename serialize::FloatWords<dtype>::Word;

  TileOrder(const predict::Tile& tile, const predict::Model* model)
      : tile_(tile), in_place_(model == nullptr) {
    if (model != nullptr) {
      rows_ = model->rows.order;
      columns_ = model->columns.order;
      places_.resize(columns_.size());
      for (std::size_t j = 0; j < columns_.size(); ++j) {
        places_[columns_[j]] = static_cast<std::uint16_t>(j);
      }
    } else {
      rows_.resize(tile.rows);
      columns_.resize(tile.columns);
      std::iota(rows_.begin(), rows_.end(), std::uint16_t{0});
      std::iota(columns_.begin(), columns_.end(), std::uint16_t{0});
    }
  }

  [[nodiscard]] Word word(const std::byte* values, std::size_t row, std::size_t column) const {
    Word word;
    std::memcpy(&word, values + row_bytes(row) + columns_[column] * sizeof word, sizeof word);
    return word;
  }

  /// The words of a row in coding order; `row_words` [columns] is room for them. (Elements are
  /// aligned, as in every tensor.)
  [[nodiscard]] const Word* gather(const std::byte* values, std::size_t row,
                                   Word* row_words) const {
    const Word* from = reinterpret_cast<const Word*>(values + row_bytes(row));
    if (in_place_) return from;
    prefetch(values, row);
    for (std::size_t j = 0; j < columns_.size(); ++j) row_words[j] = from[columns_[j]];
    return row_words;
  }

  /// Whether rows lie in the tile as they are coded.
  [[nodiscard]] bool in_place() const { return in_place_; }
  [[nodiscard]] Word* row(std::byte* values, std::size_t row) const {
    return reinterpret_cast<Word*>(values + row_bytes(row));
  }

  /// Inverse of gather.
  void scatter(const Word* row_words, std::size_t row, std::byte* values) const {
    Word* to = this->row(values, row);
    prefetch(values, row);
    for (std::size_t j = 0; j < places_.size(); ++j) to[j] = row_words[places_[j]];
  }

 private:
  /// Of a row some rows later, which may lie anywhere in the tile.
  void prefetch(const std::byte* values, std::size_t row) const {
    constexpr std::size_t kLineBytes = 64, kAhead = 4;
    row += kAhead;
    if (row >= rows_.size()) return;
    for (std::size_t at = 0; at < columns_.size() * sizeof(Word); at += kLineBytes) {
      __builtin_prefetch(values + row_bytes(row) + at);
    }
  }

  [[nodiscard]] std::size_t row_bytes(std::size_t row) const {
    return (tile_.start + rows_[row] * tile_.stride) * sizeof(Word);
  }

  const predict::Tile& tile_;
  bool in_place_;
  std::vector<std::uint16_t> rows_, columns_;
  std::vector<std::uint16_t> places_;  // of the tile's columns in coding order
};

/// The blocks that a tile is coded in.
[[nodiscard]] inline std::vector<predict::Block> blocks_of(const predict::Model* model,
                                                           const predict::Tile& tile) {
  if (model != nullptr) return predict::wavefront(*model);
  return {{0, tile.rows, 0, tile.columns}};
}

/// Those of a tile whose rows are predicted from the rows above them.
[[nodiscard]] inline std::vector<predict::Block> rows_of(const predict::Tile& tile) {
  std::vector<predict::Block> rows;
  for (std::size_t i = 0; i < tile.rows; ++i) rows.push_back({i, i + 1, 0, tile.columns});
  return rows;
}

}  // namespace lmgc::codec
