#pragma once

namespace lmgc {

/// While one lives, the process does not fork, so no child gets what is half made now, or a lock
/// that nobody there opens. For short work that waits for no other thread.
class NoFork {
 public:
  NoFork();
  ~NoFork();
  NoFork(const NoFork&) = delete;
  NoFork& operator=(const NoFork&) = delete;
};

/// From now on a forked child of this process can compute as its parent does.
void make_forks_safe();

}  // namespace lmgc
