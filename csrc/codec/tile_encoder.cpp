#include <algorithm>
#include <bit>
#include <optional>
#include <utility>

#include "codec/row_weights.h"
#include "codec/side_symbols.h"
#include "codec/tile_coder.h"
#include "codec/tile_header.h"
#include "codec/tile_on_grid.h"
#include "codec/tile_order.h"
#include "coder/bit_stream.h"
#include "coder/rans.h"
#include "predict/member_choice.h"
#include "predict/row_kernels.h"
#include "predict/rows_above_choice.h"
#include "predict/scales.h"
#include "predict/tile_prediction.h"

namespace lmgc::codec {
namespace {

using predict::Block;
using serialize::DType;
using serialize::FloatWords;

/// What a tile's values have in common.
struct Lifted {
  bool any;  ///< other than +0.0
  TrailingZeros trailing_zeros;
};

/// Lifts a tile's values in coding order.
template <DType dtype>
Lifted lift_tile(const TileOrder<dtype>& order, const predict::Tile& tile, const std::byte* bytes,
                 std::span<float> lifted) {
  using Words = FloatWords<dtype>;
  using Word = typename Words::Word;
  std::vector<Word> row(tile.columns);
  std::uint32_t heads = 0;
  Word all = 0;
  for (std::size_t i = 0; i < tile.rows; ++i) {
    const Word* words = order.gather(bytes, i, row.data());
    float* values = lifted.data() + i * tile.columns;
    for (std::size_t j = 0; j < tile.columns; ++j) {
      const std::uint32_t head = Words::lift(words[j]);
      all |= words[j];
      heads |= (head & 0x7f800000) != 0x7f800000 ? head : 0;
      values[j] = std::bit_cast<float>(head);
    }
  }
  return {
      all != 0,
      {std::min(std::countr_zero(heads), 23), std::min(std::countr_zero(all), Words::kTailBits)}};
}

/// Cells in the order of blocks, and raw bits.
template <DType dtype>
class SymbolWriter {
  using Words = FloatWords<dtype>;

 public:
  /// `values`: of the tile.
  SymbolWriter(std::size_t values, TileOnGrid& tile, const predict::MemberTables& tables,
               const TileOrder<dtype>& order, const std::byte* bytes, int tail_zeros,
               TileBuffers& buffers)
      : tile_(tile),
        tables_(tables),
        order_(order),
        bytes_(bytes),
        tail_zeros_(tail_zeros),
        cells_(buffers.cells.room(values)),
        raw_bytes_(buffers.raw.room(values * kMostBytes + coder::BitWriter::kSlackBytes)),
        raw_(raw_bytes_.data()) {}

  void write(const Block& block) {
    const std::size_t rows = TileOnGrid::band_rows(block.columns());
    for (Block band = block; band.top < block.bottom; band.top = band.bottom) {
      band.bottom = std::min(band.top + rows, block.bottom);
      write_band(band);
    }
    sizes_.push_back(block.values());
  }

  [[nodiscard]] std::span<const std::byte> symbols(Buffer<std::byte>& room) const {
    return coder::rans_encode(tables_.rans(), cells_.first(written_), sizes_, room);
  }
  [[nodiscard]] std::span<const std::byte> raw() const { return {raw_bytes_.data(), raw_.end()}; }

 private:
  static constexpr std::size_t kTogether = Words::kHeadBits == 16 ? 4 : 2;
  static constexpr std::size_t kMostBytes = (predict::kMaxRawBits + Words::kTailBits + 7) / 8;

  void write_band(const Block& band) {
    const std::size_t count = band.values();
    const std::span<std::uint16_t> cells = cells_.subspan(written_, count);
    tile_.code(band, cells.data());
    for (std::size_t j = 0; j < count;) {
      if constexpr (Words::kTailBits == 0) j = put_plain(cells, j);
      const std::size_t end = std::min(j + kTogether, count);
      for (; j < end; ++j) put(band, j, cells[j]);
    }
    written_ += count;
  }

  /// Raw bits of the values from `j` on, as long as neither these nor their cells are special.
  [[gnu::noinline]] std::size_t put_plain(std::span<const std::uint16_t> cells, std::size_t j) {
    const predict::MemberTables& tables = tables_;
    const std::uint8_t* counts = tile_.counts();
    const std::uint32_t* bits = tile_.bits();
    coder::BitWriter raw = raw_;  // in registers
    for (; j + kTogether <= cells.size(); j += kTogether) {
      std::uint64_t together = 0;
      int count = 0;
      bool known = true;
      for (std::size_t k = j; k < j + kTogether; ++k) {
        together |= std::uint64_t{bits[k]} << (count & 63);
        count += counts[k];
        known = known && tables.has(cells[k]);
      }
      if (count > coder::BitWriter::kMaxCount || !known) [[unlikely]]
        break;
      raw.put(together, count);
    }
    raw_ = raw;
    return j;
  }

  /// Raw bits of value `j` of a band, and its cell, whose symbol an escape may replace.
  [[gnu::noinline]] void put(const Block& band, std::size_t j, std::uint16_t& cell) {
    const std::size_t row = band.top + j / band.columns(), column = band.left + j % band.columns();
    predict::Code code{0, tile_.counts()[j], tile_.bits()[j]};
    if (code.count == predict::kRare) code = tile_.code_rare(row, column, cell);
    if (!tables_.has(cell)) cell = coder::cell_of(coder::context_of(cell), predict::kEscape);
    const std::uint8_t symbol = coder::symbol_of(cell);
    if (symbol == predict::kEscape) {
      const std::uint64_t word = order_.word(bytes_, row, column);
      raw_.put(word >> Words::kTailBits, Words::kHeadBits);
    } else {
      raw_.put(code.bits, code.count);
    }
    if constexpr (Words::kTailBits > 0) {
      if (symbol == predict::kZeroSymbol) return;
      const std::uint64_t tail =
          order_.word(bytes_, row, column) & ((std::uint64_t{1} << Words::kTailBits) - 1);
      raw_.put(tail >> tail_zeros_, Words::kTailBits - tail_zeros_);
    }
  }

  TileOnGrid& tile_;
  const predict::MemberTables& tables_;
  const TileOrder<dtype>& order_;
  const std::byte* bytes_;
  int tail_zeros_;
  std::span<std::uint16_t> cells_;
  std::span<std::byte> raw_bytes_;
  coder::BitWriter raw_;
  std::size_t written_ = 0;
  std::vector<std::size_t> sizes_;
};

struct EncodedTile {
  std::vector<std::byte> code;
  bool try_rows_above = false;  ///< they may save more than the model
};

template <DType dtype>
EncodedTile encode_floats(const std::byte* bytes, const predict::Tile& tile,
                          const predict::Model* model, bool rows_above, TileBuffers& buffers) {
  const TileOrder<dtype> order(tile, model);
  const std::size_t count = tile.rows * tile.columns;
  const std::span<float> values = buffers.values.room(count);
  const Lifted lifted = lift_tile<dtype>(order, tile, bytes, values);
  if (!lifted.any) return {};
  TileHeader header;
  header.trailing_zeros = lifted.trailing_zeros;
  std::span<float> predictions;
  predict::TilePrediction prediction;
  if (model != nullptr) {
    predictions = buffers.predictions.room(count);
    prediction = predict::predict_tile(values, *model, predictions);
    header.flags |= kIsPredicted;
    header.level = static_cast<std::int16_t>(prediction.level);
  }
  const bool with_columns = tile.columns > predict::kFlatColumns && tile.rows > 1;
  if (with_columns) header.flags |= kHasColumnScales;
  predict::Scales scales =
      predict::estimate_scales(values, predictions, tile.columns, with_columns);
  std::optional<predict::RowWeights> above;
  if (rows_above && model == nullptr && with_columns) {
    above = predict::choose_rows_above(values, buffers.predictions, scales);
  }
  if (above) {
    predictions = buffers.predictions.room(count);
    header.flags |= kHasRowsAbove;
    header.rows_above = static_cast<std::uint8_t>(above->weights.size());
  }

  TileOnGrid on_grid(values, predictions, scales,
                     grid_of(header.trailing_zeros, FloatWords<dtype>::kLowest));
  header.member = predict::choose_member(on_grid.sample());
  const auto tables = predict::tables_of(header.member);
  SymbolWriter<dtype> writer(count, on_grid, *tables, order, bytes, header.trailing_zeros.tail,
                             buffers);
  for (const Block& block : above ? rows_of(tile) : blocks_of(model, tile)) writer.write(block);

  const Expectations expected = expectations(model, tile);
  coder::RangeEncoder side;
  shift_scales(scales.rows, expected.rows, -1);
  encode_side_symbols(scales.rows, side);
  if (with_columns) {
    shift_scales(scales.columns, expected.columns, -1);
    encode_side_symbols(scales.columns, side);
  }
  if (model != nullptr) encode_side_symbols(prediction.row_exponents, side);
  if (above) encode_row_weights(*above, side);
  const std::vector<std::byte> side_bytes = std::move(side).finish();
  const std::span<const std::byte> symbols = writer.symbols(buffers.symbols);

  ByteWriter code;
  code.written().reserve(32 + side_bytes.size() + symbols.size() + writer.raw().size());
  write_header(header, code);
  code.varint(side_bytes.size());
  code.varint(symbols.size());
  code.bytes(side_bytes);
  code.bytes(symbols);
  code.bytes(writer.raw());
  return {std::move(code.written()),
          rows_above && model != nullptr &&
              predict::rows_above_may_save_more(values, predictions, tile.columns)};
}

}  // namespace

std::vector<std::byte> encode_tile(DType dtype, const std::byte* values, const predict::Tile& tile,
                                   const predict::Model* model, bool rows_above,
                                   TileBuffers& buffers) {
  return serialize::with_float(dtype, [&]<DType type>() {
    EncodedTile encoded = encode_floats<type>(values, tile, model, rows_above, buffers);
    if (!encoded.try_rows_above) return std::move(encoded.code);
    EncodedTile without = encode_floats<type>(values, tile, nullptr, rows_above, buffers);
    return std::move((without.code.size() < encoded.code.size() ? without : encoded).code);
  });
}

}  // namespace lmgc::codec
