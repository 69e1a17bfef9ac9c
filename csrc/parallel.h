#pragma once

#include <cstddef>
#include <exception>

namespace lmgc {

/// Calls work(0) .. work(count - 1) on OpenMP's threads (OMP_NUM_THREADS, torch.set_num_threads),
/// each when a thread is free. Rethrows the first exception after all have ended.
template <typename Work>
void parallel_for(std::size_t count, const Work& work) {
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic)
  for (std::size_t i = 0; i < count; ++i) {
    try {
      work(i);
    } catch (...) {
#pragma omp critical(lmgc_parallel_failure)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace lmgc
