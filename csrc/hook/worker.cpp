#include "hook/worker.h"

#include <ATen/Context.h>

#include <utility>

namespace lmgc::hook {

Worker::Worker() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

Worker::~Worker() { stop(); }

bool Worker::submit(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return false;
    jobs_.push_back(std::move(job));
  }
  changed_.notify_one();
  return true;
}

void Worker::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopped_, true)) return;
  }
  thread_.request_stop();
  thread_.join();
}

void Worker::run(const std::stop_token& stop) {
  // A thread inherits its creator's mode, which is not the same on every rank; averages must be.
  at::globalContext().setFlushDenormal(false);
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, stop, [this] { return !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job(stop);
    job = nullptr;  // its tensors go before the lock is taken
    lock.lock();
  }
}

}  // namespace lmgc::hook
