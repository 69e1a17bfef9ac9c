#include "collective/wait.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <stdexcept>

namespace lmgc::collective {
namespace {

struct Completion {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool done = false;
};

}  // namespace

void wait(c10::ivalue::Future& future, const std::stop_token& stop) {
  // Owned by the callback too: it may come long after a stop.
  const auto completion = std::make_shared<Completion>();
  future.addCallback(
      [completion](c10::ivalue::Future&) {
        const std::lock_guard lock(completion->mutex);
        completion->done = true;
        completion->changed.notify_all();
      },
      /*uses_future=*/false);
  std::unique_lock lock(completion->mutex);
  if (!completion->changed.wait(lock, stop, [&] { return completion->done; })) {
    throw std::runtime_error("closed while waiting for the other ranks");
  }
}

void wait(const c10::intrusive_ptr<c10d::Work>& work, const std::stop_token& stop) {
  wait(*work->getFuture(), stop);
  work->wait();
}

}  // namespace lmgc::collective
