#include <algorithm>
#include <bit>

#include "codec/levels.h"

namespace lmgc::codec {

StepMap::StepMap(std::span<const StepRun> runs, std::span<const std::uint16_t> steps) {
  std::uint64_t start = 0;
  std::size_t first = 0;
  for (const StepRun& run : runs) {
    parts_.push_back({start + run.values, run.run, start, first});
    start += run.values;
    first += run.steps();
  }
  for (const std::uint16_t step : steps) {
    steps_.push_back(std::bit_cast<float>(std::uint32_t{step} << kDroppedStepBits));
  }
}

void StepMap::fill(std::size_t start, std::size_t count, float* steps) const {
  auto part = std::ranges::upper_bound(parts_, std::uint64_t{start}, {}, &Part::end);
  while (count > 0) {
    const std::uint64_t at = start - part->start;
    const std::uint64_t end = std::min(part->start + (at / part->run + 1) * part->run, part->end);
    const auto same = static_cast<std::size_t>(std::min<std::uint64_t>(end - start, count));
    std::fill_n(steps, same, steps_[part->first_step + at / part->run]);
    steps += same;
    start += same;
    count -= same;
    if (start == part->end) ++part;
  }
}

}  // namespace lmgc::codec
