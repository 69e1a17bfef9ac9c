#pragma once

#include <cstddef>
#include <exception>

namespace lmgc {

/// Calls work(0, state) .. work(count - 1, state) on OpenMP's threads (OMP_NUM_THREADS,
/// torch.set_num_threads), the next one when a thread is free, which has a State of its own.
/// Rethrows the first exception after all have ended.
template <typename State, typename Work>
void parallel_for_with(std::size_t count, const Work& work) {
  std::exception_ptr failure;
#pragma omp parallel
  {
    State state{};
#pragma omp for schedule(dynamic)
    for (std::size_t i = 0; i < count; ++i) {
      try {
        work(i, state);
      } catch (...) {
#pragma omp critical(lmgc_parallel_failure)
        if (!failure) failure = std::current_exception();
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
}

/// The same without a state.
template <typename Work>
void parallel_for(std::size_t count, const Work& work) {
  struct Nothing {};
  parallel_for_with<Nothing>(count, [&](std::size_t i, Nothing&) { work(i); });
}

}  // namespace lmgc
