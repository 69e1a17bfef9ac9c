#pragma once

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>

/// Loops on OpenMP's threads (OMP_NUM_THREADS, torch.set_num_threads). One inside of another runs
/// on its caller's thread.
namespace lmgc {

/// What a loop's threads throw first.
class FirstFailure {
 public:
  template <typename Work>
  void watch(const Work& work) {
    try {
      work();
    } catch (...) {
#pragma omp critical(lmgc_parallel_failure)
      if (!failure_) failure_ = std::current_exception();
    }
  }

  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::exception_ptr failure_;
};

/// Calls work(0, state) .. work(count - 1, state), the next one when a thread is free, which has a
/// State of its own. Rethrows the first exception after all have ended.
template <typename State, typename Work>
void parallel_for_with(std::size_t count, const Work& work) {
  FirstFailure failure;
#pragma omp parallel
  {
    State state{};
#pragma omp for schedule(dynamic)
    for (std::size_t i = 0; i < count; ++i) failure.watch([&] { work(i, state); });
  }
  failure.rethrow();
}

/// The same without a state.
template <typename Work>
void parallel_for(std::size_t count, const Work& work) {
  struct Nothing {};
  parallel_for_with<Nothing>(count, [&](std::size_t i, Nothing&) { work(i); });
}

/// Threads that a loop would use here.
[[nodiscard]] inline std::int64_t threads_here() {
  return omp_in_parallel() != 0 ? 1 : omp_get_max_threads();
}

/// Calls work(begin, end) for equal parts of [0, count), a part a thread: as many as have work of
/// `grain`. Rethrows as parallel_for_with does.
template <typename Work>
void parallel_ranges(std::int64_t count, std::int64_t grain, const Work& work) {
  const std::int64_t parts = std::min(threads_here(), (count + grain - 1) / grain);
  if (count <= 0) return;
  if (parts == 1) return work(0, count);
  const std::int64_t share = (count + parts - 1) / parts;
  FirstFailure failure;
#pragma omp parallel for schedule(static, 1)
  for (std::int64_t begin = 0; begin < count; begin += share) {
    failure.watch([&] { work(begin, std::min(begin + share, count)); });
  }
  failure.rethrow();
}

}  // namespace lmgc
