#include "communicator/worker.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <utility>

namespace lmgc::communicator {

Worker::Worker(int threads) : thread_([this, threads] { run(threads); }) {}

Worker::~Worker() { finish(); }

bool Worker::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (finishing_) return false;
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void Worker::finish() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(finishing_, true)) return;
  }
  changed_.notify_one();
  thread_.join();
}

void Worker::run(int threads) {
  // A thread inherits its creator's mode, which is not the same on every rank; averages must be.
  at::globalContext().setFlushDenormal(false);
  at::set_num_threads(threads);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return finishing_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    job = nullptr;  // its tensors go before the lock is taken
    lock.lock();
  }
}

}  // namespace lmgc::communicator
