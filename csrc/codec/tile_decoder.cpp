#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <optional>

#include "codec/payload_error.h"
#include "codec/row_weights.h"
#include "codec/side_symbols.h"
#include "codec/tile_coder.h"
#include "codec/tile_header.h"
#include "codec/tile_order.h"
#include "codec/word_reader.h"
#include "coder/rans.h"
#include "predict/predictor.h"
#include "predict/row_kernels.h"
#include "predict/rows_above.h"
#include "predict/scales.h"

namespace lmgc::codec {
namespace {

using predict::Block;
using serialize::DType;
using serialize::FloatWords;

/// Decodes rows of blocks, a band that stays in a near cache at a time.
template <DType dtype>
class BandDecoder {
 public:
  BandDecoder(const predict::Scales& scales, coder::RansDecoder& symbols, WordReader<dtype>& words)
      : row_scales_(scales.rows),
        column_scales_(scales.columns.begin(), scales.columns.end()),
        zero_columns_(predict::zero_lines(scales.columns)),
        decoder_(symbols),
        reader_(words) {}

  /// Rows of a band in blocks of so many columns. Bands but a block's last hold a multiple of the
  /// coder's lanes.
  static std::size_t rows(std::size_t columns) {
    const std::size_t whole = coder::kRansMaxLanes / std::gcd(columns, coder::kRansMaxLanes);
    return std::max(kBandValues / columns / whole, std::size_t{1}) * whole;
  }

  /// Decodes the values [rows][columns] of a band, valid until the next call. `predictions`: null
  /// for all 0. `row_of(i)`: where the words of the band's row i go.
  template <typename RowOf>
  const float* decode(const Block& band, const float* predictions, const RowOf& row_of) {
    const std::size_t columns = band.columns();
    make_room(band.values());
    for (std::size_t i = 0; i < band.rows(); ++i) {
      const std::int32_t row_scale = row_scales_[band.top + i];
      const std::int32_t* from = column_scales_.data() + band.left;
      std::int32_t* to = scales_.data() + i * columns;
      for (std::size_t j = 0; j < columns; ++j) to[j] = row_scale + from[j];
    }
    kernels_.places(predictions != nullptr ? predictions : zeros_.data(),
                    {reader_.grid(), 0, scales_.data()}, band.values(), places());
    for (std::size_t i = 0; i < band.rows(); ++i) {
      if (row_scales_[band.top + i] == predict::kZeroLine) {
        std::fill_n(contexts_.data() + i * columns, columns, std::uint16_t{predict::kZeroContext});
      }
    }
    const auto zeros = std::ranges::lower_bound(zero_columns_, band.left);
    for (auto zero = zeros; zero != zero_columns_.end() && *zero < band.right; ++zero) {
      for (std::size_t i = 0; i < band.rows(); ++i) {
        contexts_[i * columns + *zero - band.left] = predict::kZeroContext;
      }
    }
    decoder_.decode(std::span(contexts_).first(band.values()),
                    std::span(symbols_).first(band.values()));
    kernels_.without_raw_bits(symbols_.data(), places(), reader_.grid(), band.values(),
                              {values_.data(), counts_.data()});
    reader_.read(symbols_.data(), places(), {values_.data(), counts_.data()}, band.values(),
                 words_.data());
    for (std::size_t i = 0; i < band.rows(); ++i) {
      std::copy_n(words_.data() + i * columns, columns, row_of(i));
    }
    return values_.data();
  }

 private:
  static constexpr std::size_t kBandValues = 2048;

  void make_room(std::size_t values) {
    if (values_.size() >= values) return;
    values_.resize(values);
    zeros_.resize(values);
    contexts_.resize(values);
    scales_.resize(values);
    centers_.resize(values);
    steps_.resize(values);
    symbols_.resize(values);
    counts_.resize(values);
    words_.resize(values);
  }

  predict::RowPlaces places() { return {contexts_.data(), centers_.data(), steps_.data()}; }

  const predict::RowKernels& kernels_ = predict::row_kernels();
  std::span<const std::int16_t> row_scales_;
  std::vector<std::int32_t> column_scales_;
  std::vector<std::size_t> zero_columns_;
  coder::RansDecoder& decoder_;
  WordReader<dtype>& reader_;

  // Of a band.
  std::vector<float> values_, zeros_;
  std::vector<std::uint16_t> contexts_;
  std::vector<std::int32_t> scales_, centers_, steps_;
  std::vector<std::uint8_t> symbols_, counts_;
  std::vector<typename FloatWords<dtype>::Word> words_;
};

/// A section's rows may lie anywhere in its tile: the order knows.
template <DType dtype>
void clear_tile(const TileOrder<dtype>& order, const predict::Tile& tile, std::byte* bytes) {
  constexpr std::size_t kSize = sizeof(typename FloatWords<dtype>::Word);
  for (std::size_t i = 0; i < tile.rows; ++i) {
    std::memset(order.row(bytes, i), 0, tile.columns * kSize);
  }
}

template <DType dtype>
void decode_floats(std::span<const std::byte> code, const predict::Tile& tile,
                   const predict::Model* model, TileBuffers& buffers, std::byte* bytes) {
  if (code.empty()) return clear_tile(TileOrder<dtype>(tile, model), tile, bytes);
  ByteReader reader(code);
  const TileHeader header = read_header(reader, FloatWords<dtype>::kTailBits, model != nullptr);
  if ((header.flags & kIsPredicted) == 0) model = nullptr;
  const std::uint64_t side_count = reader.varint(), coded_count = reader.varint();
  coder::RangeDecoder side(reader.bytes(side_count));
  const auto coded = reader.bytes(coded_count);

  const Expectations expected = expectations(model, tile);
  predict::Scales scales{std::vector<std::int16_t>(tile.rows),
                         std::vector<std::int16_t>(tile.columns)};
  decode_side_symbols(side, scales.rows);
  shift_scales(scales.rows, expected.rows, 1);
  if (header.flags & kHasColumnScales) {
    decode_side_symbols(side, scales.columns);
    shift_scales(scales.columns, expected.columns, 1);
  }
  std::optional<predict::Predictor> predictor;
  if (model != nullptr) {
    std::vector<std::int16_t> row_exponents(tile.rows);
    decode_side_symbols(side, row_exponents);
    for (std::int16_t& exponent : row_exponents) {
      exponent =
          std::clamp<std::int16_t>(exponent, -predict::kMaxRowExponent, predict::kMaxRowExponent);
    }
    predictor.emplace(*model, row_exponents);
    predictor->set_level(header.level);
  }
  predict::RowWeights weights;
  std::optional<predict::RowsAbove> above;
  if (header.flags & kHasRowsAbove) {
    weights = decode_row_weights(side, tile.rows, header.rows_above);
    above.emplace(weights, tile.columns);
  }

  const TileOrder<dtype> order(tile, model);
  const auto tables = predict::tables_of(header.member);
  coder::RansDecoder decoder(tables->rans(), coded, tile.rows * tile.columns);
  WordReader<dtype> words(reader.rest(), header.trailing_zeros);
  BandDecoder<dtype> bands(scales, decoder, words);
  // In another order than the tile's, rows are collected first: blocks scattered over a tile would
  // use little of many cache lines.
  using Word = typename FloatWords<dtype>::Word;
  Word* collected = nullptr;
  if (!order.in_place()) {
    collected =
        reinterpret_cast<Word*>(buffers.words.room(tile.rows * tile.columns * sizeof(Word)).data());
  }
  for (const Block& block : above ? rows_of(tile) : blocks_of(model, tile)) {
    const std::size_t columns = block.columns();
    const float* predictions = nullptr;
    float* first = nullptr;
    if (predictor) {
      first = buffers.first_predictions.room(block.values()).data();
      predictor->first(block, block.left, {first, columns});
      predictions = first;
      if (predictor->has_second(block.top)) {
        float* both = buffers.predictions.room(block.values()).data();
        predictor->second(block, block.top, {first, columns}, {both, columns});
        predictions = both;
      }
    } else if (above) {
      float* own = buffers.predictions.room(columns).data();
      above->predict(own);
      predictions = own;
    }
    Block band = block;
    for (; band.top < block.bottom; band.top = band.bottom) {
      band.bottom = std::min(band.top + BandDecoder<dtype>::rows(columns), block.bottom);
      const std::size_t at = (band.top - block.top) * columns;
      const float* values = bands.decode(
          band, predictions != nullptr ? predictions + at : nullptr, [&](std::size_t i) {
            Word* row = order.in_place() ? order.row(bytes, band.top + i)
                                         : collected + (band.top + i) * tile.columns;
            return row + band.left;
          });
      if (above) above->learn(values);
      if (!predictor) continue;
      predictor->learn_values(band, {values, columns});
      predictor->learn_remainders(band, {values, columns}, {first + at, columns});
    }
  }
  decoder.finish();
  words.finish();
  if (order.in_place()) return;
  for (std::size_t i = 0; i < tile.rows; ++i) {
    order.scatter(collected + i * tile.columns, i, bytes);
  }
}

}  // namespace

void decode_tile(DType dtype, std::span<const std::byte> code, const predict::Tile& tile,
                 const predict::Model* model, TileBuffers& buffers, std::byte* values) {
  try {
    serialize::with_float(
        dtype, [&]<DType type>() { decode_floats<type>(code, tile, model, buffers, values); });
  } catch (const coder::StreamError& error) {
    throw PayloadError(PayloadError::Kind::kCorrupt, error.what());
  }
}

}  // namespace lmgc::codec
