#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <optional>

#include "codec/payload_error.h"
#include "codec/side_symbols.h"
#include "codec/tile_coder.h"
#include "codec/tile_header.h"
#include "codec/tile_order.h"
#include "coder/bit_stream.h"
#include "coder/rans.h"
#include "predict/predictor.h"
#include "predict/row_kernels.h"
#include "predict/scales.h"

namespace lmgc::codec {
namespace {

using predict::Block;
using serialize::DType;
using serialize::FloatWords;

/// Raw bits back to values.
template <DType dtype>
class WordReader {
  using Words = FloatWords<dtype>;
  using Word = typename Words::Word;

 public:
  WordReader(std::span<const std::byte> bytes, const TrailingZeros& zeros)
      : raw_(bytes), tail_zeros_(zeros.tail), grid_(grid_of(zeros, Words::kLowest)) {}

  [[nodiscard]] const predict::FloatGrid& grid() const { return grid_; }

  /// Values [count] of a row: their words as coded, and lifted. `known`: RowKernels::words'.
  void read(const std::uint8_t* symbols, const predict::RowPlaces& places,
            const predict::RowWords& known, std::size_t count, Word* words, float* values) {
    coder::BitReader raw = raw_;  // in registers
    const int shift = 23 - grid_.mantissa_bits;
    for (std::size_t j = 0; j < count; ++j) {
      std::uint32_t lifted = known.words[j];
      const int bits = known.counts[j];
      if (bits < predict::kUnary) {
        lifted |= static_cast<std::uint32_t>(raw.take(bits)) << shift;
      } else if (bits == predict::kUnary) {
        const std::uint64_t next = raw.peek();
        const int down = std::countr_zero(next | std::uint64_t{1} << predict::kMaxDown);
        const auto mantissa = static_cast<std::uint32_t>(next >> (down + 1)) &
                              ((std::uint32_t{1} << grid_.mantissa_bits) - 1);
        lifted = (lifted - (static_cast<std::uint32_t>(down) << 23)) | mantissa << shift;
        raw.skip(down + 1 + grid_.mantissa_bits);
      } else if (symbols[j] != predict::kEscape) {
        int taken = 0;
        lifted = predict::value_of(symbols[j], raw.peek(),
                                   {places.steps[j], places.centers[j], 0}, grid_, taken);
        raw.skip(taken);
      } else {
        words[j] = static_cast<Word>(raw.take(Words::kHeadBits) << Words::kTailBits);
        if constexpr (Words::kTailBits > 0) words[j] |= take_tail(raw);
        values[j] = std::bit_cast<float>(Words::lift(words[j]));
        continue;
      }
      words[j] = Words::lower(lifted);
      if constexpr (Words::kTailBits > 0) {
        if (symbols[j] != predict::kZeroSymbol) words[j] |= take_tail(raw);
      }
      values[j] = std::bit_cast<float>(lifted);
    }
    raw_ = raw;
  }

  void finish() const { raw_.finish(); }

 private:
  [[nodiscard]] Word take_tail(coder::BitReader& raw) const {
    return static_cast<Word>(raw.take(Words::kTailBits - tail_zeros_) << tail_zeros_);
  }

  coder::BitReader raw_;
  int tail_zeros_;
  predict::FloatGrid grid_;
};

/// What is known of a block's values [rows][columns] before and after decoding. Reused.
template <DType dtype>
struct BlockBuffers {
  using Word = typename FloatWords<dtype>::Word;

  std::vector<float> first, predictions, values;
  std::vector<std::uint16_t> contexts;
  std::vector<std::int32_t> centers, steps;
  std::vector<std::uint8_t> symbols, counts;
  std::vector<std::uint32_t> known;
  std::vector<Word> words;

  explicit BlockBuffers(std::span<const Block> blocks) {
    std::size_t most = 0, columns = 0;
    for (const Block& block : blocks) {
      most = std::max(most, block.values());
      columns = std::max(columns, block.columns());
    }
    for (auto* floats : {&first, &predictions, &values}) floats->resize(most);
    contexts.resize(most);
    centers.resize(most);
    steps.resize(most);
    symbols.resize(most);
    counts.resize(columns);
    known.resize(columns);
    words.resize(columns);
  }

  predict::RowPlaces places(std::size_t at) {
    return {contexts.data() + at, centers.data() + at, steps.data() + at};
  }
};

template <DType dtype>
void clear_tile(const predict::Tile& tile, std::byte* bytes) {
  constexpr std::size_t kSize = sizeof(typename FloatWords<dtype>::Word);
  for (std::size_t i = 0; i < tile.rows; ++i) {
    std::memset(bytes + (tile.start + i * tile.stride) * kSize, 0, tile.columns * kSize);
  }
}

template <DType dtype>
void decode_floats(std::span<const std::byte> code, const predict::Tile& tile,
                   const predict::Model* model, std::byte* bytes) {
  if (code.empty()) return clear_tile<dtype>(tile, bytes);
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

  const TileOrder<dtype> order(tile, model);
  const auto tables = predict::tables_of(header.member);
  coder::RansDecoder decoder(tables->rans(), coded, tile.rows * tile.columns);
  WordReader<dtype> words(reader.rest(), header.trailing_zeros);
  const predict::RowKernels& kernels = predict::row_kernels();
  const std::vector<Block> blocks = blocks_of(model, tile);
  BlockBuffers<dtype> buffers(blocks);
  const std::vector<std::int32_t> column_scales(scales.columns.begin(), scales.columns.end());
  for (const Block& block : blocks) {
    const std::size_t size = block.values(), columns = block.columns();
    const auto first = std::span(buffers.first).first(size);
    const auto predictions = std::span(buffers.predictions).first(size);
    if (predictor) {
      predictor->first(block, block.left, first);
      std::ranges::copy(first, predictions.begin());
      predictor->second(block, block.top, predictions);
    }
    for (std::size_t i = 0; i < block.rows(); ++i) {
      const std::size_t at = i * columns;
      const int row_scale = scales.rows[block.top + i];
      if (row_scale == predict::kZeroLine) {
        std::fill_n(buffers.contexts.begin() + static_cast<std::ptrdiff_t>(at), columns,
                    std::uint16_t{predict::kZeroContext});
        continue;
      }
      kernels.places(predictions.data() + at,
                     {words.grid(), row_scale, column_scales.data() + block.left}, columns,
                     buffers.places(at));
    }
    decoder.decode(std::span(buffers.contexts).first(size), std::span(buffers.symbols).first(size));
    for (std::size_t i = 0; i < block.rows(); ++i) {
      const std::size_t at = i * columns;
      const std::uint8_t* symbols = buffers.symbols.data() + at;
      const predict::RowWords known{buffers.known.data(), buffers.counts.data()};
      kernels.words(symbols, buffers.places(at), words.grid(), columns, known);
      words.read(symbols, buffers.places(at), known, columns, buffers.words.data(),
                 buffers.values.data() + at);
      order.scatter(buffers.words.data(), block.top + i, block.left, block.right, bytes);
    }
    if (predictor) {
      const auto values = std::span(buffers.values).first(size);
      predictor->learn_values(block, values);
      predictor->learn_remainders(block, values, first);
    }
  }
  decoder.finish();
  words.finish();
}

}  // namespace

void decode_tile(DType dtype, std::span<const std::byte> code, const predict::Tile& tile,
                 const predict::Model* model, std::byte* values) {
  try {
    serialize::with_float(dtype,
                          [&]<DType type>() { decode_floats<type>(code, tile, model, values); });
  } catch (const coder::StreamError& error) {
    throw PayloadError(PayloadError::Kind::kCorrupt, error.what());
  }
}

}  // namespace lmgc::codec
