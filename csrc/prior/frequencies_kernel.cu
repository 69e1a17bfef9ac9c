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

}  // namespace

void launch_frequencies(const std::int32_t* scores, std::size_t rows, std::size_t alphabet,
                        std::uint32_t* cumulative, void* stream) {
  if (rows == 0) return;
  const auto blocks = static_cast<unsigned>((rows + kThreads - 1) / kThreads);
  frequencies_kernel<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
      scores, rows, alphabet, cumulative);
}

}  // namespace lmgc::prior
