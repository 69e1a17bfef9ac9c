#include "codec/tile_coder.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>

#include "codec/byte_stream.h"
#include "codec/payload_error.h"
#include "codec/side_symbols.h"
#include "coder/bit_stream.h"
#include "coder/rans.h"
#include "predict/family.h"
#include "predict/grid.h"
#include "predict/member_choice.h"
#include "predict/predictor.h"
#include "predict/scales.h"
#include "serialize/float_words.h"

namespace lmgc::codec {
namespace {

using predict::Block;
using predict::kZeroLine;
using serialize::DType;
using serialize::FloatWords;

constexpr std::uint8_t kHasColumnScales = 1;
constexpr std::uint8_t kIsPredicted = 2;

/// A tile's values seen in coding order.
template <DType dtype>
class Ordered {
 public:
  using Words = FloatWords<dtype>;
  using Word = typename Words::Word;

  Ordered(const predict::Tile& tile, const predict::Model* model) : tile_(tile) {
    if (model != nullptr) {
      rows_ = model->rows.order;
      columns_ = model->columns.order;
    } else {
      rows_.resize(tile.rows);
      columns_.resize(tile.columns);
      std::iota(rows_.begin(), rows_.end(), std::uint16_t{0});
      std::iota(columns_.begin(), columns_.end(), std::uint16_t{0});
    }
  }

  [[nodiscard]] std::size_t offset(std::size_t row, std::size_t column) const {
    return (tile_.start + rows_[row] * tile_.stride + columns_[column]) * sizeof(Word);
  }
  [[nodiscard]] Word word(const std::byte* values, std::size_t row, std::size_t column) const {
    Word word;
    std::memcpy(&word, values + offset(row, column), sizeof word);
    return word;
  }
  void set_word(std::byte* values, std::size_t row, std::size_t column, Word word) const {
    std::memcpy(values + offset(row, column), &word, sizeof word);
  }

 private:
  const predict::Tile& tile_;
  std::vector<std::uint16_t> rows_, columns_;
};

/// What all values of a tile share: trailing zero bits of the lifted mantissa and of the tail.
struct TrailingZeros {
  int head = 23;
  int tail = 0;
};

predict::FloatGrid grid_of(int trailing_zeros, int lowest) {
  return {23 - trailing_zeros, std::max(trailing_zeros - 149, lowest)};
}

/// Scale of a value, or nothing in a zero line.
std::optional<int> scale_at(const predict::Scales& scales, std::size_t row, std::size_t column) {
  if (scales.rows[row] == kZeroLine || scales.columns[column] == kZeroLine) return std::nullopt;
  return scales.rows[row] + scales.columns[column];
}

/// Numbers that scales are sent relative to: what history expects of them.
std::vector<std::int16_t> expected_scales(std::span<const std::int16_t> exponents,
                                          std::size_t count) {
  std::vector<std::int16_t> expected(count);
  for (std::size_t i = 0; i < exponents.size(); ++i) {
    expected[i] =
        static_cast<std::int16_t>(std::clamp<int>(exponents[i], -200, 200) * predict::kScaleSteps);
  }
  return expected;
}

void shift_scales(std::span<std::int16_t> scales, std::span<const std::int16_t> expected,
                  int sign) {
  for (std::size_t i = 0; i < scales.size(); ++i) {
    if (scales[i] == kZeroLine) continue;
    const int shifted = scales[i] + sign * expected[i];
    scales[i] = static_cast<std::int16_t>(std::clamp(shifted, -4095, 4095));
  }
}

struct Expectations {
  std::vector<std::int16_t> rows, columns;
};

Expectations expectations(const predict::Model* model, const predict::Tile& tile) {
  if (model == nullptr) {
    return {std::vector<std::int16_t>(tile.rows), std::vector<std::int16_t>(tile.columns)};
  }
  return {expected_scales(model->rows.exponent, tile.rows),
          expected_scales(model->remainder_exponent, tile.columns)};
}

/// log2 of the size of each row's values in units of the columns' exponents: the encoder's choice.
std::vector<std::int16_t> choose_row_exponents(std::span<const float> values,
                                               const predict::Model& model) {
  const std::size_t columns = model.columns.order.size();
  std::vector<std::int16_t> exponents;
  for (std::size_t i = 0; i < model.rows.order.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < columns; ++j) {
      const double unit = std::ldexp(double{values[i * columns + j]}, -model.columns.exponent[j]);
      if (std::isfinite(unit)) sum += unit * unit;
    }
    const double mean = sum / static_cast<double>(columns);
    const double exponent = mean > 0 ? std::clamp(std::log2(mean) / 2, -30.0, 30.0) : -30.0;
    exponents.push_back(static_cast<std::int16_t>(std::lround(exponent)));
  }
  return exponents;
}

/// How many octaves what `first` leaves lies above what history expects: the encoder's choice.
int choose_level(std::span<const float> values, std::span<const float> first,
                 const predict::Model& model) {
  const std::size_t columns = model.columns.order.size();
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < model.rows.order.size(); ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      const std::size_t at = i * columns + j;
      const double unit = std::ldexp(double{values[at]} - double{first[at]},
                                     -model.rows.exponent[i] - model.remainder_exponent[j]);
      if (!std::isfinite(unit)) continue;
      sum += unit * unit;
      ++count;
    }
  }
  const double level = sum > 0 ? std::log2(sum / static_cast<double>(count)) / 2 : 0;
  return static_cast<int>(std::clamp(std::lround(level), -100L, 100L));
}

struct Prediction {
  std::vector<float> values;  ///< [rows][columns]; empty: all 0
  std::vector<std::int16_t> row_exponents;
  int level = 0;
};

/// Predictions of a whole tile whose values are known.
Prediction predict_tile(std::span<const float> values, const predict::Model& model) {
  const Block all{0, model.rows.order.size(), 0, model.columns.order.size()};
  Prediction prediction{std::vector<float>(values.size()), choose_row_exponents(values, model), 0};
  predict::Predictor predictor(model, prediction.row_exponents);
  predictor.learn_values(all, values);
  predictor.first(all, model.columns.pivots, prediction.values);
  prediction.level = choose_level(values, prediction.values, model);
  predictor.set_level(prediction.level);
  predictor.learn_remainders(all, values, prediction.values);
  predictor.second(all, model.rows.pivots, prediction.values);
  return prediction;
}

std::vector<Block> blocks_of(const predict::Model* model, const predict::Tile& tile) {
  if (model != nullptr) return predict::wavefront(*model);
  return {{0, tile.rows, 0, tile.columns}};
}

/// What a tile's code says before its symbols.
struct TileHeader {
  std::uint8_t flags = 0;
  TrailingZeros trailing_zeros;
  predict::Member member;
  std::int16_t level = 0;
};

void write_header(const TileHeader& header, ByteWriter& writer) {
  writer.fixed<std::uint8_t>(header.flags);
  writer.fixed<std::uint8_t>(static_cast<std::uint8_t>(header.trailing_zeros.head));
  writer.fixed<std::uint8_t>(static_cast<std::uint8_t>(header.trailing_zeros.tail));
  writer.fixed<std::uint8_t>(
      static_cast<std::uint8_t>(header.member.shape << 4 | header.member.width));
  writer.fixed<std::uint8_t>(header.member.zeros);
  if (header.flags & kIsPredicted) writer.fixed<std::int16_t>(header.level);
}

TileHeader read_header(ByteReader& reader, int tail_bits, bool has_model) {
  TileHeader header;
  header.flags = reader.fixed<std::uint8_t>();
  header.trailing_zeros.head = reader.fixed<std::uint8_t>();
  header.trailing_zeros.tail = reader.fixed<std::uint8_t>();
  const auto shape_and_width = reader.fixed<std::uint8_t>();
  header.member = {static_cast<std::uint8_t>(shape_and_width >> 4),
                   static_cast<std::uint8_t>(shape_and_width & 15), reader.fixed<std::uint8_t>()};
  if (header.flags > (kHasColumnScales | kIsPredicted) || header.trailing_zeros.head > 23 ||
      header.trailing_zeros.tail > tail_bits || !header.member.valid()) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "a tile's header");
  }
  if (header.flags & kIsPredicted) {
    if (!has_model) throw PayloadError(PayloadError::Kind::kCorrupt, "a tile without a model");
    header.level = std::clamp<std::int16_t>(reader.fixed<std::int16_t>(), -200, 200);
  }
  return header;
}

template <DType dtype>
std::vector<std::byte> encode_floats(const std::byte* bytes, const predict::Tile& tile,
                                     const predict::Model* model) {
  using Words = FloatWords<dtype>;
  const Ordered<dtype> ordered(tile, model);
  const std::size_t count = tile.rows * tile.columns;
  std::vector<float> values(count);
  TileHeader header;
  std::uint32_t heads = 0;
  std::uint64_t tails = 0, any = 0;
  for (std::size_t i = 0; i < tile.rows; ++i) {
    for (std::size_t j = 0; j < tile.columns; ++j) {
      const auto word = ordered.word(bytes, i, j);
      const std::uint32_t lifted = Words::lift(word);
      any |= word;
      tails |= word;
      if ((lifted & 0x7f800000) != 0x7f800000) heads |= lifted;
      values[i * tile.columns + j] = std::bit_cast<float>(lifted);
    }
  }
  if (any == 0) return {};
  header.trailing_zeros = {std::min(std::countr_zero(heads), 23),
                           std::min(std::countr_zero(tails), Words::kTailBits)};
  const predict::FloatGrid grid = grid_of(header.trailing_zeros.head, Words::kLowest);

  Prediction prediction;
  if (model != nullptr) {
    header.flags |= kIsPredicted;
    prediction = predict_tile(values, *model);
    header.level = static_cast<std::int16_t>(prediction.level);
  }
  const bool with_columns = tile.columns > predict::kFlatColumns && tile.rows > 1;
  if (with_columns) header.flags |= kHasColumnScales;
  predict::Scales scales =
      predict::estimate_scales(values, prediction.values, tile.columns, with_columns);

  // In coding order, block after block.
  const std::vector<Block> blocks = blocks_of(model, tile);
  std::vector<std::size_t> sizes;
  std::vector<std::uint8_t> symbols(count);
  std::vector<std::uint16_t> contexts(count);
  const auto each_value = [&](const auto& visit) {
    std::size_t n = 0;
    for (const Block& block : blocks) {
      for (std::size_t i = block.top; i < block.bottom; ++i) {
        for (std::size_t j = block.left; j < block.right; ++j, ++n) visit(n, i, j);
      }
    }
  };
  const auto place_at = [&](std::size_t i, std::size_t j, int scale) {
    const float center = prediction.values.empty() ? 0 : prediction.values[i * tile.columns + j];
    return predict::place_of(center, scale, grid);
  };
  each_value([&](std::size_t n, std::size_t i, std::size_t j) {
    const auto scale = scale_at(scales, i, j);
    contexts[n] = predict::kZeroContext;
    symbols[n] = predict::kZeroSymbol;
    if (!scale) return;
    const predict::Place place = place_at(i, j, *scale);
    const auto word = std::bit_cast<std::uint32_t>(values[i * tile.columns + j]);
    contexts[n] = static_cast<std::uint16_t>(place.context);
    symbols[n] = static_cast<std::uint8_t>(predict::code_value(word, place, grid).symbol);
  });
  header.member = predict::choose_member(symbols, contexts);
  const auto tables = predict::tables_of(header.member);
  coder::BitWriter raw;
  each_value([&](std::size_t n, std::size_t i, std::size_t j) {
    if (!tables->has(contexts[n], symbols[n])) symbols[n] = predict::kEscape;
    if (symbols[n] == predict::kZeroSymbol) return;
    const auto word = ordered.word(bytes, i, j);
    if (symbols[n] == predict::kEscape) {
      raw.put(std::uint64_t{word} >> Words::kTailBits, Words::kHeadBits);
    } else {
      const auto lifted = std::bit_cast<std::uint32_t>(values[i * tile.columns + j]);
      const auto code = predict::code_value(lifted, place_at(i, j, *scale_at(scales, i, j)), grid);
      raw.put(code.bits, code.count);
    }
    if constexpr (Words::kTailBits > 0) {
      const std::uint64_t tail = word & ((std::uint64_t{1} << Words::kTailBits) - 1);
      raw.put(tail >> header.trailing_zeros.tail, Words::kTailBits - header.trailing_zeros.tail);
    }
  });
  for (const Block& block : blocks) sizes.push_back(block.values());
  const auto coded = coder::rans_encode(tables->rans(), symbols, contexts, sizes);

  const Expectations expected = expectations(model, tile);
  shift_scales(scales.rows, expected.rows, -1);
  coder::RangeEncoder side;
  encode_side_symbols(scales.rows, side);
  if (with_columns) {
    shift_scales(scales.columns, expected.columns, -1);
    encode_side_symbols(scales.columns, side);
  }
  if (model != nullptr) encode_side_symbols(prediction.row_exponents, side);
  const auto side_bytes = std::move(side).finish();

  ByteWriter code;
  write_header(header, code);
  code.varint(side_bytes.size());
  code.varint(coded.size());
  code.bytes(side_bytes);
  code.bytes(coded);
  code.bytes(std::move(raw).finish());
  return std::move(code.written());
}

template <DType dtype>
void decode_floats(std::span<const std::byte> code, const predict::Tile& tile,
                   const predict::Model* model, std::byte* bytes) {
  using Words = FloatWords<dtype>;
  using Word = typename Words::Word;
  if (code.empty()) {
    for (std::size_t i = 0; i < tile.rows; ++i) {
      std::memset(bytes + (tile.start + i * tile.stride) * sizeof(Word), 0,
                  tile.columns * sizeof(Word));
    }
    return;
  }
  ByteReader reader(code);
  const TileHeader header = read_header(reader, Words::kTailBits, model != nullptr);
  if ((header.flags & kIsPredicted) == 0) model = nullptr;
  const std::uint64_t side_count = reader.varint(), coded_count = reader.varint();
  coder::RangeDecoder side(reader.bytes(side_count));
  const auto coded = reader.bytes(coded_count);
  const predict::FloatGrid grid = grid_of(header.trailing_zeros.head, Words::kLowest);

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

  const Ordered<dtype> ordered(tile, model);
  const auto tables = predict::tables_of(header.member);
  const std::size_t count = tile.rows * tile.columns;
  coder::RansDecoder decoder(tables->rans(), coded, count);
  coder::BitReader raw(reader.rest());
  std::vector<std::uint8_t> symbols;
  std::vector<std::uint16_t> contexts;
  std::vector<predict::Place> places;
  std::vector<float> first, both, values;
  for (const Block& block : blocks_of(model, tile)) {
    const std::size_t size = block.values();
    for (auto* floats : {&first, &both, &values}) floats->assign(size, 0);
    symbols.resize(size);
    contexts.resize(size);
    places.resize(size);
    if (predictor) {
      predictor->first(block, block.left, first);
      both = first;
      predictor->second(block, block.top, both);
    }
    std::size_t n = 0;
    for (std::size_t i = block.top; i < block.bottom; ++i) {
      for (std::size_t j = block.left; j < block.right; ++j, ++n) {
        const auto scale = scale_at(scales, i, j);
        contexts[n] = predict::kZeroContext;
        if (!scale) continue;
        places[n] = predict::place_of(both[n], *scale, grid);
        contexts[n] = static_cast<std::uint16_t>(places[n].context);
      }
    }
    decoder.decode(contexts, symbols);
    n = 0;
    for (std::size_t i = block.top; i < block.bottom; ++i) {
      for (std::size_t j = block.left; j < block.right; ++j, ++n) {
        Word word = 0;
        if (symbols[n] != predict::kZeroSymbol) {
          if (symbols[n] == predict::kEscape) {
            word = static_cast<Word>(raw.take(Words::kHeadBits) << Words::kTailBits);
          } else {
            int bits = 0;
            word = Words::lower(predict::value_of(symbols[n], raw.peek(), places[n], grid, bits));
            raw.skip(bits);
          }
          if constexpr (Words::kTailBits > 0) {
            word |= raw.take(Words::kTailBits - header.trailing_zeros.tail)
                    << header.trailing_zeros.tail;
          }
        }
        ordered.set_word(bytes, i, j, word);
        values[n] = std::bit_cast<float>(Words::lift(word));
      }
    }
    if (predictor) {
      predictor->learn_values(block, values);
      predictor->learn_remainders(block, values, first);
    }
  }
  decoder.finish();
  raw.finish();
}

}  // namespace

std::vector<std::byte> encode_tile(DType dtype, const std::byte* values, const predict::Tile& tile,
                                   const predict::Model* model) {
  return serialize::with_float(
      dtype, [&]<DType type>() { return encode_floats<type>(values, tile, model); });
}

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
