#include "coder/range_decoder.h"

#include <algorithm>

namespace lmgc::coder {

std::uint16_t RangeDecoder::decode(std::span<const std::uint32_t> cumulative) {
  const auto above = std::upper_bound(cumulative.begin() + 1, cumulative.end() - 1, target());
  const std::uint32_t start = *(above - 1);
  take({start, *above - start});
  return static_cast<std::uint16_t>(above - cumulative.begin() - 1);
}

}  // namespace lmgc::coder
