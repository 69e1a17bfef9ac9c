#pragma once

#include <atomic>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "fork.h"

namespace lmgc {

/// Implementations of the same loops for several instruction sets, each with a `name`, and the one
/// in use. All give the same bits.
template <typename Loops>
class Implementations {
 public:
  /// Of the candidates, fastest first, those that this machine supports and that `agrees` with the
  /// reference; then the reference.
  template <typename Agrees>
  Implementations(std::initializer_list<const Loops*> candidates, const Loops& reference,
                  const Agrees& agrees) {
    const NoFork no_fork;
    for (const Loops* candidate : candidates) {
      if (candidate->supported() && agrees(*candidate)) usable_.push_back(candidate);
    }
    usable_.push_back(&reference);
    use(*usable_.front());
  }

  [[nodiscard]] std::span<const Loops* const> usable() const { return usable_; }
  [[nodiscard]] const Loops& current() const { return *current_.load(std::memory_order_relaxed); }
  void use(const Loops& loops) { current_.store(&loops, std::memory_order_relaxed); }

  /// Throws std::invalid_argument if no usable one has this name.
  [[nodiscard]] const Loops& named(std::string_view name) const {
    std::string all;
    for (const Loops* loops : usable_) {
      if (loops->name == name) return *loops;
      all.append(all.empty() ? "" : ", ").append(loops->name);
    }
    throw std::invalid_argument("lmgc: no loops named '" + std::string(name) +
                                "' here; usable: " + all);
  }

 private:
  std::vector<const Loops*> usable_;
  std::atomic<const Loops*> current_ = nullptr;
};

}  // namespace lmgc
