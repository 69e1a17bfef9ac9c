#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "codec/side_symbols.h"
#include "codec/tile_coder.h"
#include "codec/tile_header.h"
#include "codec/tile_on_grid.h"
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
  std::size_t rows, columns;
  Buffer<float> buffer;
  bool any = false;  ///< other than +0.0
  TrailingZeros trailing_zeros;

  [[nodiscard]] std::span<const float> values() const { return {buffer.get(), rows * columns}; }
};

template <DType dtype>
Lifted lift_tile(const TileOrder<dtype>& order, const predict::Tile& tile, const std::byte* bytes) {
  using Words = FloatWords<dtype>;
  using Word = typename Words::Word;
  Lifted lifted{tile.rows, tile.columns, buffer_of<float>(tile.rows * tile.columns), false, {}};
  std::vector<Word> row(tile.columns);
  std::uint32_t heads = 0;
  Word all = 0;
  for (std::size_t i = 0; i < tile.rows; ++i) {
    const Word* words = order.gather(bytes, i, row.data());
    float* values = lifted.buffer.get() + i * tile.columns;
    for (std::size_t j = 0; j < tile.columns; ++j) {
      const std::uint32_t head = Words::lift(words[j]);
      all |= words[j];
      heads |= (head & 0x7f800000) != 0x7f800000 ? head : 0;
      values[j] = std::bit_cast<float>(head);
    }
  }
  lifted.any = all != 0;
  lifted.trailing_zeros = {std::min(std::countr_zero(heads), 23),
                           std::min(std::countr_zero(all), Words::kTailBits)};
  return lifted;
}

/// Symbols in the order of blocks, and raw bits.
template <DType dtype>
class SymbolWriter {
  using Words = FloatWords<dtype>;

 public:
  SymbolWriter(const TileOnGrid& tile, const predict::MemberTables& tables,
               const TileOrder<dtype>& order, const std::byte* bytes, int tail_zeros)
      : tile_(tile),
        tables_(tables),
        order_(order),
        bytes_(bytes),
        tail_zeros_(tail_zeros),
        raw_bytes_(
            buffer_of<std::byte>(tile.cells().size() * kMostBytes + coder::BitWriter::kSlackBytes)),
        raw_(raw_bytes_.get()),
        symbols_(buffer_of<std::uint8_t>(tile.cells().size())),
        contexts_(buffer_of<std::uint16_t>(tile.cells().size())) {}

  void write(const Block& block) {
    for (std::size_t i = block.top; i < block.bottom; ++i) write_row(i, block.left, block.right);
    sizes_.push_back(block.values());
  }

  [[nodiscard]] std::vector<std::byte> symbols() const {
    return coder::rans_encode(tables_.rans(), {symbols_.get(), written_},
                              {contexts_.get(), written_}, sizes_);
  }
  [[nodiscard]] std::span<const std::byte> raw() const { return {raw_bytes_.get(), raw_.end()}; }

 private:
  static constexpr std::size_t kMostBytes = (predict::kMaxRawBits + Words::kTailBits + 7) / 8;

  void write_row(std::size_t row, std::size_t left, std::size_t right) {
    const std::size_t start = row * tile_.columns();
    const std::uint16_t* cells = tile_.cells().data() + start;
    const std::uint8_t* counts = tile_.counts() + start;
    const std::uint32_t* bits = tile_.bits() + start;
    std::uint8_t* symbols = symbols_.get() + written_ - left;
    std::uint16_t* contexts = contexts_.get() + written_ - left;
    for (std::size_t j = left; j < right; ++j) {
      symbols[j] = predict::symbol_of(cells[j]);
      contexts[j] = predict::context_of(cells[j]);
    }
    coder::BitWriter raw = raw_;  // in registers
    std::size_t j = left;
    if constexpr (Words::kTailBits == 0) {
      for (; j + 2 <= right; j += 2) {
        const int count = counts[j] + counts[j + 1];
        if (count <= coder::BitWriter::kMaxCount && tables_.has(cells[j]) &&
            tables_.has(cells[j + 1])) [[likely]] {
          raw.put(bits[j] | std::uint64_t{bits[j + 1]} << counts[j], count);
        } else {
          raw_ = raw;
          symbols[j] = put(row, j);
          symbols[j + 1] = put(row, j + 1);
          raw = raw_;
        }
      }
    }
    raw_ = raw;
    for (; j < right; ++j) symbols[j] = put(row, j);
    written_ += right - left;
  }

  /// Returns the symbol, which an escape may replace.
  [[gnu::noinline]] std::uint8_t put(std::size_t row, std::size_t column) {
    const std::size_t at = row * tile_.columns() + column;
    std::uint8_t symbol = predict::symbol_of(tile_.cells()[at]);
    if (!tables_.has(tile_.cells()[at])) symbol = predict::kEscape;
    if (symbol == predict::kEscape) {
      const std::uint64_t word = order_.word(bytes_, row, column);
      raw_.put(word >> Words::kTailBits, Words::kHeadBits);
    } else if (tile_.counts()[at] == predict::kRare) {
      const predict::Code code = tile_.code_at(row, column);
      raw_.put(code.bits, code.count);
    } else {
      raw_.put(tile_.bits()[at], tile_.counts()[at]);
    }
    if constexpr (Words::kTailBits > 0) {
      if (symbol == predict::kZeroSymbol) return symbol;
      const std::uint64_t tail =
          order_.word(bytes_, row, column) & ((std::uint64_t{1} << Words::kTailBits) - 1);
      raw_.put(tail >> tail_zeros_, Words::kTailBits - tail_zeros_);
    }
    return symbol;
  }

  const TileOnGrid& tile_;
  const predict::MemberTables& tables_;
  const TileOrder<dtype>& order_;
  const std::byte* bytes_;
  int tail_zeros_;
  Buffer<std::byte> raw_bytes_;
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
    prediction = predict::predict_tile(lifted.values(), *model);
    header.flags |= kIsPredicted;
    header.level = static_cast<std::int16_t>(prediction.level);
  }
  const bool with_columns = tile.columns > predict::kFlatColumns && tile.rows > 1;
  if (with_columns) header.flags |= kHasColumnScales;
  std::span<const float> predictions;
  if (model != nullptr) predictions = {prediction.values.get(), lifted.values().size()};
  predict::Scales scales =
      predict::estimate_scales(lifted.values(), predictions, tile.columns, with_columns);

  const TileOnGrid on_grid(lifted.values(), predictions, scales,
                           grid_of(header.trailing_zeros, FloatWords<dtype>::kLowest));
  header.member = predict::choose_member(on_grid.cells());
  const auto tables = predict::tables_of(header.member);
  SymbolWriter<dtype> writer(on_grid, *tables, order, bytes, header.trailing_zeros.tail);
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
