#pragma once

#include <cstddef>
#include <cstdint>

#include "coder/interval.h"
#include "exact.h"
#include "host_device.h"

namespace lmgc::prior {

using coder::Interval;
using coder::kTotalFrequency;

/// Of a symbol among `count`, before what rounding leaves; `sum` is that of all weights.
[[nodiscard]] LMGC_HOST_DEVICE constexpr std::uint32_t frequency_of(std::uint32_t weight,
                                                                    std::uint64_t sum,
                                                                    std::size_t count) {
  return 1 + static_cast<std::uint32_t>(weight * (kTotalFrequency - count) / sum);
}

/// Writes cumulative frequencies [count + 1], from 0 to kTotalFrequency, in proportion to `weights`
/// [count], each symbol's at least 1. Requires 1 <= count <= 2^16 and a sum of weights in [1,
/// 2^40). What rounding leaves goes to the heaviest symbol, the first of equals.
constexpr void frequencies_from_weights(const std::uint32_t* weights, std::size_t count,
                                        std::uint32_t* cumulative) {
  std::uint64_t sum = 0;
  std::size_t heaviest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += weights[i];
    if (weights[i] > weights[heaviest]) heaviest = i;
  }
  std::uint32_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    cumulative[i] = at;
    at += frequency_of(weights[i], sum, count);
  }
  const std::uint32_t left = kTotalFrequency - at;
  for (std::size_t i = heaviest + 1; i < count; ++i) cumulative[i] += left;
  cumulative[count] = kTotalFrequency;
}

/// The same from `scores` [count], Q15.16 nats: softmax with integer sums. `weights` [count] is
/// scratch.
constexpr void frequencies_from_scores(const std::int32_t* scores, std::size_t count,
                                       std::uint32_t* weights, std::uint32_t* cumulative) {
  std::int32_t best = scores[0];
  for (std::size_t i = 1; i < count; ++i) best = scores[i] > best ? scores[i] : best;
  for (std::size_t i = 0; i < count; ++i) {
    weights[i] =
        exact::exp_q30(static_cast<std::uint32_t>(best) - static_cast<std::uint32_t>(scores[i]));
  }
  frequencies_from_weights(weights, count, cumulative);
}

/// Of symbols of `bits` bits that begin with the `depth` bits of `begin`: the share in 2^16 of
/// those that go on with a one, at least 1 and below 2^16, by their table.
[[nodiscard]] constexpr std::uint16_t share_of_ones(const std::uint32_t* cumulative, unsigned bits,
                                                    unsigned begin, unsigned depth) {
  const unsigned half = 1U << (bits - depth - 1);
  const std::uint32_t* first = cumulative + (static_cast<std::size_t>(begin) << (bits - depth));
  const std::uint64_t all = first[2 * half] - first[0], ones = first[2 * half] - first[half];
  const std::uint64_t share = (ones << 16) / all;
  return static_cast<std::uint16_t>(share == 0 ? 1 : share);
}

}  // namespace lmgc::prior
