#include "fuzz_levels.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "codec/levels_coder.h"
#include "codec/payload_error.h"
#include "codec/sparse_coder.h"

namespace {

using namespace lmgc::codec;

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
  const auto run =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(number(2)) + 1, integers.size());
  levels.runs = {{integers.size(), run}};
  std::vector<std::uint16_t> steps;
  for (std::uint64_t i = 0; i < levels.runs.front().steps(); ++i) {
    steps.push_back(static_cast<std::uint16_t>(kLeastStep + i * 37 % 3900));
  }
  levels.steps = steps;
  const std::int64_t rows = count / 20;
  const Parameter parameters[]{{{rows, 20}, {}}, {{count - rows * 20}, {}}};
  const auto body = joined(encode_levels(levels, parameters, true));
  std::vector<float> decoded(integers.size()), step(integers.size());
  decode_levels(body, {}, decoded);
  StepMap(levels.runs, levels.steps).fill(0, step.size(), step.data());
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    if (decoded[i] != static_cast<float>(integers[i]) * step[i]) std::abort();
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
  round_trip_sparse(bytes);
}
