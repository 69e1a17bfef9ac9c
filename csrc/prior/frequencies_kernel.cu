#include "prior/frequencies_launch.h"
#include "prior/frequency.h"

namespace lmgc::prior {
namespace {

constexpr unsigned kThreads = 64;

/// A thread a row: the formula is the host's, to the bit.
__global__ void frequencies_kernel(const std::int32_t* scores, std::size_t rows,
                                   std::size_t alphabet, std::uint32_t* cumulative) {
  const std::size_t row = std::size_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= rows) return;
  std::uint32_t weights[kMaxAlphabet];
  frequencies_from_scores(scores + row * alphabet, alphabet, weights,
                          cumulative + row * (alphabet + 1));
}

__global__ void intervals_kernel(const std::int32_t* scores, const std::uint16_t* symbols,
                                 std::size_t rows, std::size_t alphabet, Interval* intervals) {
  const std::size_t row = std::size_t{blockIdx.x} * kThreads + threadIdx.x;
  if (row >= rows) return;
  intervals[row] = interval_from_scores(scores + row * alphabet, alphabet, symbols[row]);
}

[[nodiscard]] unsigned blocks_of(std::size_t rows) {
  return static_cast<unsigned>((rows + kThreads - 1) / kThreads);
}

}  // namespace

void launch_frequencies(const std::int32_t* scores, std::size_t rows, std::size_t alphabet,
                        std::uint32_t* cumulative, void* stream) {
  if (rows == 0) return;
  frequencies_kernel<<<blocks_of(rows), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      scores, rows, alphabet, cumulative);
}

void launch_intervals(const std::int32_t* scores, const std::uint16_t* symbols, std::size_t rows,
                      std::size_t alphabet, Interval* intervals, void* stream) {
  if (rows == 0) return;
  intervals_kernel<<<blocks_of(rows), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      scores, symbols, rows, alphabet, intervals);
}

}  // namespace lmgc::prior
