#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/byte_stream.h"
#include "codec/levels.h"

/// Which values of a tensor share a step, and the steps, as bodies of levels have them
/// (docs/format.md).
namespace lmgc::codec {

void write_runs(std::span<const StepRun> runs, ByteWriter& writer);
/// Inverse, of runs that cover `values`. Throws PayloadError.
[[nodiscard]] std::vector<StepRun> read_runs(ByteReader& reader, std::uint64_t values);

/// Code of the `steps` of all runs.
[[nodiscard]] std::vector<std::byte> encode_steps(std::span<const StepRun> runs,
                                                  std::span<const std::uint16_t> steps);
/// Inverse; any code gives some steps.
[[nodiscard]] std::vector<std::uint16_t> decode_steps(std::span<const StepRun> runs,
                                                      std::span<const std::byte> code);

}  // namespace lmgc::codec
