#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "codec/side_symbols.h"
#include "codec/tile_coder.h"
#include "codec/tile_header.h"
#include "codec/tile_order.h"
#include "coder/bit_stream.h"
#include "coder/rans.h"
#include "predict/member_choice.h"
#include "predict/row_kernels.h"
#include "predict/scales.h"
#include "predict/tile_prediction.h"

namespace lmgc::codec {
namespace {

using predict::Block;
using serialize::DType;
using serialize::FloatWords;

template <typename Number>
using Buffer = std::unique_ptr<Number[]>;

template <typename Number>
Buffer<Number> buffer_of(std::size_t count) {
  return std::make_unique_for_overwrite<Number[]>(count);
}

/// A tile's values lifted, in coding order, and bits that they have in common.
struct Lifted {
  std::vector<float> values;  ///< [rows][columns]
  bool any = false;           ///< other than +0.0
  TrailingZeros trailing_zeros;
};

template <DType dtype>
Lifted lift_tile(const TileOrder<dtype>& order, const predict::Tile& tile,
                 const std::byte* bytes) {
  using Words = FloatWords<dtype>;
  Lifted lifted{std::vector<float>(tile.rows * tile.columns), false, {}};
  std::vector<typename Words::Word> words(tile.columns);
  std::uint32_t heads = 0;
  typename Words::Word all = 0;
  for (std::size_t i = 0; i < tile.rows; ++i) {
    order.gather(bytes, i, words.data());
    float* row = lifted.values.data() + i * tile.columns;
    for (std::size_t j = 0; j < tile.columns; ++j) {
      const std::uint32_t head = Words::lift(words[j]);
      all |= words[j];
      heads |= (head & 0x7f800000) != 0x7f800000 ? head : 0;
      row[j] = std::bit_cast<float>(head);
    }
  }
  lifted.any = all != 0;
  lifted.trailing_zeros = {std::min(std::countr_zero(heads), 23),
                           std::min(std::countr_zero(all), Words::kTailBits)};
  return lifted;
}

/// A tile on the grid, in coding order [rows][columns].
struct TileOnGrid {
  const Lifted& lifted;
  std::span<const float> predictions;  ///< empty: all 0
  const predict::Scales& scales;
  predict::FloatGrid grid;
  std::size_t columns;

  Buffer<std::uint8_t> symbols, counts;
  Buffer<std::uint16_t> contexts;
  Buffer<std::uint32_t> bits;

  void code();
  /// Any symbol but kZeroSymbol, with all its bits.
  [[nodiscard]] predict::Code code_at(std::size_t row, std::size_t column) const;
};

void TileOnGrid::code() {
  const std::size_t count = lifted.values.size();
  symbols = buffer_of<std::uint8_t>(count);
  counts = buffer_of<std::uint8_t>(count);
  contexts = buffer_of<std::uint16_t>(count);
  bits = buffer_of<std::uint32_t>(count);
  const std::vector<float> zeros(predictions.empty() ? columns : 0);
  const std::vector<std::int32_t> column_scales(scales.columns.begin(), scales.columns.end());
  for (std::size_t i = 0; i < scales.rows.size(); ++i) {
    const std::size_t at = i * columns;
    if (scales.rows[i] == predict::kZeroLine) {
      std::fill_n(symbols.get() + at, columns, std::uint8_t{predict::kZeroSymbol});
      std::fill_n(counts.get() + at, columns, std::uint8_t{0});
      std::fill_n(contexts.get() + at, columns, std::uint16_t{predict::kZeroContext});
      std::fill_n(bits.get() + at, columns, std::uint32_t{0});
      continue;
    }
    const float* from = predictions.empty() ? zeros.data() : predictions.data() + at;
    std::size_t rare = predict::row_kernels().code_values(
        lifted.values.data() + at, from, {grid, scales.rows[i], column_scales.data()}, columns,
        {symbols.get() + at, contexts.get() + at, bits.get() + at, counts.get() + at});
    for (std::size_t j = 0; rare > 0; ++j) {
      if (counts[at + j] != predict::kRare) continue;
      symbols[at + j] = static_cast<std::uint8_t>(code_at(i, j).symbol);
      --rare;
    }
  }
}

predict::Code TileOnGrid::code_at(std::size_t row, std::size_t column) const {
  const std::size_t at = row * columns + column;
  const predict::Place place =
      predict::place_of(predictions.empty() ? 0 : predictions[at],
                        scales.rows[row] + scales.columns[column], grid);
  return predict::code_value(std::bit_cast<std::uint32_t>(lifted.values[at]), place, grid);
}

/// Symbols in the order of blocks, and raw bits.
template <DType dtype>
class SymbolWriter {
  using Words = FloatWords<dtype>;

 public:
  SymbolWriter(const TileOnGrid& tile, const predict::MemberTables& tables,
               const TileOrder<dtype>& order, const std::byte* bytes)
      : tile_(tile),
        tables_(tables),
        order_(order),
        bytes_(bytes),
        raw_(tile.lifted.values.size() * (Words::kTailBits > 0 ? 56 + Words::kTailBits : 56)),
        symbols_(buffer_of<std::uint8_t>(tile.lifted.values.size())),
        contexts_(buffer_of<std::uint16_t>(tile.lifted.values.size())) {}

  void write(const Block& block) {
    for (std::size_t i = block.top; i < block.bottom; ++i) write_row(i, block.left, block.right);
    sizes_.push_back(block.values());
  }

  [[nodiscard]] std::vector<std::byte> symbols() const {
    return coder::rans_encode(tables_.rans(), {symbols_.get(), written_},
                              {contexts_.get(), written_}, sizes_);
  }
  [[nodiscard]] std::span<const std::byte> raw() const { return raw_.written(); }

 private:
  void write_row(std::size_t row, std::size_t left, std::size_t right) {
    const std::size_t start = row * tile_.columns;
    std::uint8_t* symbols = symbols_.get() + written_ - left;
    std::uint16_t* contexts = contexts_.get() + written_ - left;
    coder::BitWriter raw = std::move(raw_);  // in registers
    for (std::size_t j = left; j < right; ++j) {
      const std::size_t at = start + j;
      std::uint8_t symbol = tile_.symbols[at];
      const std::uint16_t context = tile_.contexts[at];
      const std::uint8_t count = tile_.counts[at];
      if (count == predict::kRare || !tables_.has(context, symbol)) [[unlikely]] {
        symbol = put_rare(raw, symbol, context, row, j);
      } else {
        raw.put(tile_.bits[at], count);
      }
      if constexpr (Words::kTailBits > 0) {
        if (symbol != predict::kZeroSymbol) put_tail(raw, row, j);
      }
      symbols[j] = symbol;
      contexts[j] = context;
    }
    raw_ = std::move(raw);
    written_ += right - left;
  }

  /// Returns the symbol, which may be another than that of the value.
  std::uint8_t put_rare(coder::BitWriter& raw, std::uint8_t symbol, int context, std::size_t row,
                        std::size_t column) const {
    if (symbol != predict::kEscape && tables_.has(context, symbol)) {
      const predict::Code code = tile_.code_at(row, column);
      raw.put(code.bits, code.count);
      return symbol;
    }
    const std::uint64_t word = order_.word(bytes_, row, column);
    raw.put(word >> Words::kTailBits, Words::kHeadBits);
    return predict::kEscape;
  }

  void put_tail(coder::BitWriter& raw, std::size_t row, std::size_t column) const {
    const int zeros = tile_.lifted.trailing_zeros.tail;
    const std::uint64_t tail = order_.word(bytes_, row, column) &
                               ((std::uint64_t{1} << Words::kTailBits) - 1);
    raw.put(tail >> zeros, Words::kTailBits - zeros);
  }

  const TileOnGrid& tile_;
  const predict::MemberTables& tables_;
  const TileOrder<dtype>& order_;
  const std::byte* bytes_;
  coder::BitWriter raw_;
  Buffer<std::uint8_t> symbols_;
  Buffer<std::uint16_t> contexts_;
  std::size_t written_ = 0;
  std::vector<std::size_t> sizes_;
};

template <DType dtype>
std::vector<std::byte> encode_floats(const std::byte* bytes, const predict::Tile& tile,
                                     const predict::Model* model) {
  const TileOrder<dtype> order(tile, model);
  const Lifted lifted = lift_tile<dtype>(order, tile, bytes);
  if (!lifted.any) return {};
  TileHeader header;
  header.trailing_zeros = lifted.trailing_zeros;
  predict::TilePrediction prediction;
  if (model != nullptr) {
    prediction = predict::predict_tile(lifted.values, *model);
    header.flags |= kIsPredicted;
    header.level = static_cast<std::int16_t>(prediction.level);
  }
  const bool with_columns = tile.columns > predict::kFlatColumns && tile.rows > 1;
  if (with_columns) header.flags |= kHasColumnScales;
  predict::Scales scales =
      predict::estimate_scales(lifted.values, prediction.values, tile.columns, with_columns);

  TileOnGrid on_grid{.lifted = lifted,
                     .predictions = prediction.values,
                     .scales = scales,
                     .grid = grid_of(header.trailing_zeros, FloatWords<dtype>::kLowest),
                     .columns = tile.columns,
                     .symbols = {},
                     .counts = {},
                     .contexts = {},
                     .bits = {}};
  on_grid.code();
  header.member = predict::choose_member({on_grid.symbols.get(), lifted.values.size()},
                                         {on_grid.contexts.get(), lifted.values.size()});
  const auto tables = predict::tables_of(header.member);
  SymbolWriter<dtype> writer(on_grid, *tables, order, bytes);
  for (const Block& block : blocks_of(model, tile)) writer.write(block);

  const Expectations expected = expectations(model, tile);
  coder::RangeEncoder side;
  shift_scales(scales.rows, expected.rows, -1);
  encode_side_symbols(scales.rows, side);
  if (with_columns) {
    shift_scales(scales.columns, expected.columns, -1);
    encode_side_symbols(scales.columns, side);
  }
  if (model != nullptr) encode_side_symbols(prediction.row_exponents, side);
  const std::vector<std::byte> side_bytes = std::move(side).finish();
  const std::vector<std::byte> symbols = writer.symbols();

  ByteWriter code;
  code.written().reserve(32 + side_bytes.size() + symbols.size() + writer.raw().size());
  write_header(header, code);
  code.varint(side_bytes.size());
  code.varint(symbols.size());
  code.bytes(side_bytes);
  code.bytes(symbols);
  code.bytes(writer.raw());
  return std::move(code.written());
}

}  // namespace

std::vector<std::byte> encode_tile(DType dtype, const std::byte* values, const predict::Tile& tile,
                                   const predict::Model* model) {
  return serialize::with_float(
      dtype, [&]<DType type>() { return encode_floats<type>(values, tile, model); });
}

}  // namespace lmgc::codec
