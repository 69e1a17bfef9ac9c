#pragma once

#include <sys/types.h>
#include <unistd.h>

namespace lmgc {

/// The process that made it. Threads, connections and a GPU's memory stay there when it forks.
class Process {
 public:
  [[nodiscard]] bool is_this() const { return getpid() == id_; }

 private:
  pid_t id_ = getpid();
};

}  // namespace lmgc
