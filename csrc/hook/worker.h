#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace lmgc::hook {

/// One thread that runs jobs in the order they came.
class Worker {
 public:
  /// Must not throw. After a stop request a job should end soon.
  using Job = std::function<void(const std::stop_token&)>;

  Worker();
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// False, and the job is dropped, after stop().
  [[nodiscard]] bool submit(Job job);

  /// Requests the stop, lets the jobs already here end, and joins.
  void stop();

 private:
  void run(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> jobs_;
  bool stopped_ = false;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace lmgc::hook
