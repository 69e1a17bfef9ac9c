#pragma once

#include <cstdint>

#include "model/cuda/warp.cuh"
#include "prior/frequency.h"
#include "prior/table_launch.h"

namespace lmgc::prior {

/// The table of frequencies_from_scores, to the bit, spread over a warp: a thread has a run of
/// symbols. What spans symbols are integer sums and maxima, in any order.
class WarpTable {
 public:
  /// `scores` [count], count <= kMaxAlphabet. All threads of the warp call it.
  __device__ WarpTable(const std::int32_t* scores, int count)
      : count_(count),
        run_((count + kThreads - 1) / kThreads),
        first_(run_ * static_cast<int>(model::cuda::lane_of_warp())) {
    std::int32_t mine[kMostRun] = {}, best = INT32_MIN;
    for_mine([&](int i) {
      mine[i] = scores[first_ + i];
      best = mine[i] > best ? mine[i] : best;
    });
    best = model::cuda::warp_max(best);
    std::uint64_t sum = 0, heaviest = 0;  // of equals the first: the index counts down
    for_mine([&](int i) {
      frequencies_[i] =
          exact::exp_q30(static_cast<std::uint32_t>(best) - static_cast<std::uint32_t>(mine[i]));
      sum += frequencies_[i];
      const std::uint64_t key = std::uint64_t{frequencies_[i]} << 16 |
                                static_cast<std::uint64_t>(kMaxAlphabet - (first_ + i));
      heaviest = key > heaviest ? key : heaviest;
    });
    sum = model::cuda::warp_sum(sum);
    const int index =
        static_cast<int>(kMaxAlphabet) - static_cast<int>(model::cuda::warp_max(heaviest) & 0xFFFF);
    std::uint32_t shared = 0;
    for_mine([&](int i) {
      frequencies_[i] = frequency_of(frequencies_[i], sum, static_cast<std::size_t>(count));
      shared += frequencies_[i];
    });
    const std::uint32_t left = kTotalFrequency - model::cuda::warp_sum(shared);
    for_mine([&](int i) {
      if (first_ + i == index) frequencies_[i] += left, shared += left;
    });
    start_ = model::cuda::warp_sum_before(shared);
  }

  /// Calls body(symbol, interval) for this thread's symbols.
  template <typename Body>
  __device__ void for_intervals(const Body& body) const {
    std::uint32_t start = start_;
    for_mine([&](int i) {
      body(first_ + i, Interval{start, frequencies_[i]});
      start += frequencies_[i];
    });
  }

 private:
  static constexpr int kThreads = static_cast<int>(model::cuda::kWarp);
  static constexpr int kMostRun = static_cast<int>(kMaxAlphabet) / kThreads;

  template <typename Body>
  __device__ void for_mine(const Body& body) const {
#pragma unroll
    for (int i = 0; i < kMostRun; ++i) {
      if (i < run_ && first_ + i < count_) body(i);
    }
  }

  int count_, run_, first_;
  std::uint32_t frequencies_[kMostRun];
  std::uint32_t start_;  // of the first
};

}  // namespace lmgc::prior
