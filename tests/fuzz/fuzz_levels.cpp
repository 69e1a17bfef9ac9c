#include "fuzz_levels.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "codec/level_order.h"
#include "codec/levels_coder.h"
#include "codec/levels_text.h"
#include "codec/payload_error.h"
#include "codec/sparse_coder.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"
#include "fuzz_text.h"
#include "predict/level_mixer.h"

namespace {

using namespace lmgc::codec;
using namespace lmgc::predict;

constexpr std::uint64_t kMostValues = 1 << 18;

std::vector<std::byte> joined(const Parts& parts) {
  std::vector<std::byte> bytes;
  for (const auto& part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

void decode(std::span<const std::byte> bytes) {
  try {
    const std::uint64_t count = levels_capacity(bytes);
    if (count > 0 && count <= kMostValues) {
      std::vector<float> values(count);
      decode_levels(bytes, {}, values);
    }
  } catch (const PayloadError&) {
  }
  std::vector<float> values(100);
  try {
    decode_levels_text(bytes, fuzzed_text(), values);
  } catch (const PayloadError&) {
  }
  try {
    ByteReader reader(bytes);
    static_cast<void>(decode_places(reader, 3, values.size()));
  } catch (const PayloadError&) {
  }
  try {
    decode_sizes(bytes, std::vector<std::size_t>{30, 0, 70}, values);
  } catch (const PayloadError&) {
  }
}

void round_trip_levels(std::span<const std::byte> bytes) {
  const auto number = [&](std::size_t at) { return std::to_integer<int>(bytes[at]); };
  const int most = number(0) % 127 + 1;
  Levels levels;
  levels.range = {most, most == 1 && number(1) % 2 == 0};
  const auto count = static_cast<std::int64_t>(bytes.size() - 3);
  std::vector<std::int8_t> integers;
  for (std::size_t i = 3; i < bytes.size(); ++i) {
    integers.push_back(static_cast<std::int8_t>(number(i) % (2 * most + 1) - most));
  }
  levels.integers = integers;
  const auto run = std::min(static_cast<std::size_t>(number(2)) + 1, integers.size());
  levels.runs = {{integers.size(), run}};
  std::vector<std::uint16_t> steps;
  for (std::size_t start = 0; start < integers.size(); start += run) {
    const auto of_step = std::span(integers).subspan(start, std::min(run, integers.size() - start));
    const bool any = std::ranges::any_of(of_step, [](std::int8_t integer) { return integer != 0; });
    steps.push_back(static_cast<std::uint16_t>(any ? kLeastStep + start / run * 37 % 3900 : 0));
  }
  levels.steps = steps;
  const std::int64_t rows = count / 20;
  const Parameter parameters[]{{{rows, 20}, {}}, {{count - rows * 20}, {}}};
  std::vector<float> expected(integers.size()), decoded(integers.size());
  StepMap(levels.runs, levels.steps).fill(0, expected.size(), expected.data());
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= static_cast<float>(integers[i]);
  decode_levels(joined(encode_levels(levels, parameters, true)), {}, decoded);
  if (decoded != expected) std::abort();
  decode_levels_text(joined(encode_levels_text(levels, fuzzed_text())), fuzzed_text(), decoded);
  if (decoded != expected) std::abort();
}

/// Two bytes a level: it and its prediction, which need not be near.
void round_trip_mixed(std::span<const std::byte> bytes) {
  const auto number = [&](std::size_t at) { return std::to_integer<int>(bytes[at]); };
  const int most = number(0) % 127 + 1;
  const LevelRange range{most, most == 1 && number(1) % 2 == 0};
  const LevelModel model({static_cast<std::uint8_t>(number(2) % 8), 2, 0}, range);
  const std::size_t columns = static_cast<std::size_t>(number(1)) % 16 + 1;
  const std::size_t rows = (bytes.size() - 3) / 2 / columns;
  std::vector<int> levels;
  std::vector<float> predictions;
  std::vector<int> scales;
  for (std::size_t i = 3; levels.size() < rows * columns; i += 2) {
    levels.push_back(number(i) % (2 * most + 1) - most);
    predictions.push_back((static_cast<float>(number(i + 1)) - 128) / (number(2) < 9 ? 0.03F : 99));
    scales.push_back(number(i) - number(i + 1));
  }
  lmgc::coder::RangeEncoder encoder;
  LevelMixer mixer(rows, columns, model);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    mixer.find(i / columns, i % columns, predictions[i], scales[i],
               [&](Question question, int level, lmgc::logistic::Probability chance) {
                 const bool yes =
                     question == Question::kIs ? levels[i] == level : levels[i] > level;
                 encoder.encode(lmgc::coder::interval_of_bit(yes, chance));
                 return yes;
               });
  }
  const std::vector<std::byte> code = std::move(encoder).finish();
  lmgc::coder::RangeDecoder decoder(code);
  LevelMixer other(rows, columns, model);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const int level = other.find(
        i / columns, i % columns, predictions[i], scales[i],
        [&](Question, int, lmgc::logistic::Probability chance) {
          const bool yes = decoder.target() < lmgc::coder::interval_of_bit(true, chance).frequency;
          decoder.take(lmgc::coder::interval_of_bit(yes, chance));
          return yes;
        });
    if (level != levels[i]) std::abort();
  }
}

void round_trip_sparse(std::span<const std::byte> bytes) {
  std::vector<float> values(bytes.size() / sizeof(float)), decoded(values.size());
  std::copy_n(bytes.data(), values.size() * sizeof(float),
              std::as_writable_bytes(std::span(values)).data());
  const std::vector<std::size_t> runs{values.size() / 3, values.size() - values.size() / 3};
  decode_sizes(encode_sizes(values, runs), runs, decoded);
  if (!std::ranges::equal(std::as_bytes(std::span(values)), std::as_bytes(std::span(decoded)))) {
    std::abort();
  }
  std::vector<std::int64_t> places;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (std::to_integer<int>(bytes[i]) > 200) places.push_back(static_cast<std::int64_t>(i));
  }
  const Parameter whole{{static_cast<std::int64_t>(bytes.size())}, {}};
  ByteWriter writer;
  encode_places(places, {&whole, 1}, writer);
  ByteReader reader(writer.written());
  if (decode_places(reader, places.size(), bytes.size()).places != places) std::abort();
}

}  // namespace

void fuzz_levels(bool encodes, std::span<const std::byte> bytes) {
  if (!encodes) return decode(bytes);
  if (bytes.size() < 4) return;
  round_trip_levels(bytes);
  round_trip_mixed(bytes);
  round_trip_sparse(bytes);
}
