#include "fork.h"

#include <omp.h>
#include <pthread.h>

#include <mutex>
#include <stdexcept>
#include <thread>

namespace lmgc {
namespace {

constinit std::mutex mutex;  // held from before a fork to after it
int holds = 0;

void before_fork() {
  // The calling thread's team would stay behind, and the child wait for it at its first parallel
  // loop, Torch's own included. Both sides start another when they need one.
  omp_pause_resource_all(omp_pause_soft);
  while (true) {
    mutex.lock();
    if (holds == 0) return;
    mutex.unlock();
    std::this_thread::yield();
  }
}

void after_fork() { mutex.unlock(); }

}  // namespace

NoFork::NoFork() {
  const std::lock_guard lock(mutex);
  ++holds;
}

NoFork::~NoFork() {
  const std::lock_guard lock(mutex);
  --holds;
}

void make_forks_safe() {
  if (pthread_atfork(before_fork, after_fork, after_fork) != 0) {
    throw std::runtime_error("lmgc: no memory for what makes forks safe");
  }
}

}  // namespace lmgc
