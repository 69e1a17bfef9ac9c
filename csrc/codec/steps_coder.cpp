#include "codec/steps_coder.h"

#include <algorithm>
#include <utility>

#include "codec/payload_error.h"
#include "codec/side_symbols.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"
#include "predict/scales.h"

namespace lmgc::codec {
namespace {

/// Calls work(first step, steps) for what is coded together: runs of many steps by themselves.
template <typename Work>
void each_sequence(std::span<const StepRun> runs, const Work& work) {
  constexpr std::uint64_t kMany = 8;
  std::uint64_t first = 0, count = 0;
  for (const StepRun& run : runs) {
    if (count > 0 && (run.steps() >= kMany || count >= kMany)) {
      work(first, count);
      first += std::exchange(count, 0);
    }
    count += run.steps();
  }
  if (count > 0) work(first, count);
}

}  // namespace

void write_runs(std::span<const StepRun> runs, ByteWriter& writer) {
  writer.varint(runs.size());
  for (const StepRun& run : runs) {
    writer.varint(run.values);
    writer.varint(run.run == run.values ? 0 : run.run);
  }
}

std::vector<StepRun> read_runs(ByteReader& reader, std::uint64_t values) {
  using Kind = PayloadError::Kind;
  const std::uint64_t count = reader.varint();
  if (count > reader.rest().size() / 2) {
    throw PayloadError(Kind::kCorrupt, "more runs of steps than bytes");
  }
  std::vector<StepRun> runs;
  std::uint64_t left = values;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t covered = reader.varint(), run = reader.varint();
    if (covered == 0 || covered > left || run > covered) {
      throw PayloadError(Kind::kCorrupt, "runs of steps");
    }
    runs.push_back({covered, run == 0 ? covered : run});
    left -= covered;
  }
  if (left != 0) throw PayloadError(Kind::kCorrupt, "values without a step");
  return runs;
}

std::vector<std::byte> encode_steps(std::span<const StepRun> runs,
                                    std::span<const std::uint16_t> steps) {
  std::vector<std::int16_t> numbers;
  for (const std::uint16_t step : steps) {
    numbers.push_back(step == 0 ? predict::kZeroLine : static_cast<std::int16_t>(step));
  }
  coder::RangeEncoder encoder;
  each_sequence(runs, [&](std::uint64_t first, std::uint64_t count) {
    encode_side_symbols(std::span(numbers).subspan(first, count), encoder);
  });
  return std::move(encoder).finish();
}

std::vector<std::uint16_t> decode_steps(std::span<const StepRun> runs,
                                        std::span<const std::byte> code) {
  std::vector<std::int16_t> numbers;
  coder::RangeDecoder decoder(code);
  each_sequence(runs, [&](std::uint64_t first, std::uint64_t count) {
    numbers.resize(first + count);
    decode_side_symbols(decoder, std::span(numbers).subspan(first));
  });
  std::vector<std::uint16_t> steps;
  for (const std::int16_t number : numbers) {
    const bool any = number != predict::kZeroLine;
    steps.push_back(any ? static_cast<std::uint16_t>(std::clamp<int>(number, kLeastStep, kMostStep))
                        : std::uint16_t{0});
  }
  return steps;
}

}  // namespace lmgc::codec
