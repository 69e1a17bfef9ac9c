#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace lmgc::communicator {

/// One thread that runs jobs in the order they came.
class Worker {
 public:
  /// Must not throw.
  using Job = std::function<void()>;

  /// `threads`: how many OpenMP threads its jobs use.
  explicit Worker(int threads);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// False, and the job is dropped, after finish().
  [[nodiscard]] bool submit(Job job);

  /// Lets the jobs already here end, and joins.
  void finish();

 private:
  void run(int threads);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool finishing_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace lmgc::communicator
