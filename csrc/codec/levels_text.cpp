#include "codec/levels_text.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "codec/payload_error.h"
#include "codec/steps_coder.h"

namespace lmgc::codec {
namespace {

using serialize::DType;

/// Sizes up to this fit half a byte, which is a hex digit.
constexpr int kMostOfDigit = 7;

[[noreturn]] void corrupt(const std::string& what) {
  throw PayloadError(PayloadError::Kind::kCorrupt, what);
}

/// 0, -1, 1, -2, 2 ... as 0, 1, 2, 3, 4 ...: a model that knows nothing of complements takes small
/// numbers for likely ones, and signs cost it a bit.
unsigned to_number(int integer) {
  return static_cast<unsigned>(integer < 0 ? -2 * integer - 1 : 2 * integer);
}

int from_number(unsigned number) {
  const int half = static_cast<int>(number / 2);
  return number % 2 == 0 ? half : -half - 1;
}

std::size_t byte_count(std::size_t integers, int most) {
  return most > kMostOfDigit ? integers : (integers + 1) / 2;
}

std::vector<std::byte> to_bytes(std::span<const std::int8_t> integers, int most) {
  std::vector<std::byte> bytes(byte_count(integers.size(), most));
  for (std::size_t i = 0; i < integers.size(); ++i) {
    const auto number = std::byte(to_number(integers[i]));
    if (most > kMostOfDigit) {
      bytes[i] = number;
    } else {
      bytes[i / 2] |= number << (i % 2 == 0 ? 4 : 0);
    }
  }
  return bytes;
}

/// Integer number `i` of to_bytes.
int from_bytes(std::span<const std::byte> bytes, std::size_t i, int most) {
  if (most > kMostOfDigit) return from_number(std::to_integer<unsigned>(bytes[i]));
  return from_number(std::to_integer<unsigned>(bytes[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15);
}

}  // namespace

Parts encode_levels_text(const Levels& levels, const Representation& text) {
  std::vector<float> steps(levels.integers.size());
  StepMap(levels.runs, levels.steps).fill(0, steps.size(), steps.data());
  std::vector<std::int8_t> integers;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i] != 0) integers.push_back(levels.integers[i]);
  }
  ByteWriter head;
  head.fixed(static_cast<std::uint8_t>(levels.range.most));
  write_runs(levels.runs, head);
  const std::vector<std::byte> step_code = encode_steps(levels.runs, levels.steps);
  head.varint(step_code.size());
  head.bytes(step_code);
  Parts body;
  if (!integers.empty()) {
    body = text.encode(DType::kUInt8, to_bytes(integers, levels.range.most), {});
  }
  body.insert(body.begin(), std::move(head.written()));
  return body;
}

void decode_levels_text(std::span<const std::byte> body, const Representation& text,
                        std::span<float> values) {
  ByteReader reader(body);
  const int most = reader.fixed<std::uint8_t>();
  if (most == 0 || most > predict::kMostLevel) corrupt("no levels");
  const std::vector<StepRun> runs = read_runs(reader, values.size());
  const auto step_code = reader.bytes(reader.varint());
  StepMap(runs, decode_steps(runs, step_code)).fill(0, values.size(), values.data());
  const auto zeros = static_cast<std::size_t>(std::ranges::count(values, 0.0F));
  std::vector<std::byte> bytes(byte_count(values.size() - zeros, most));
  if (!bytes.empty()) {
    text.decode(DType::kUInt8, reader.rest(), {}, bytes);
  } else if (!reader.rest().empty()) {
    corrupt("bytes after the last step");
  }
  std::size_t next = 0;
  for (float& value : values) {
    if (value == 0) continue;
    const int integer = from_bytes(bytes, next++, most);
    if (integer < -most || integer > most) {
      corrupt("an integer of " + std::to_string(integer) + " where the largest is " +
              std::to_string(most));
    }
    value *= static_cast<float>(integer);
  }
}

}  // namespace lmgc::codec
