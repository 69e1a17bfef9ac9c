#pragma once

#include <atomic>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lmgc {

/// Implementations of the same loops for several instruction sets, each with a `name`, and the one
/// in use. All give the same bits.
template <typename Loops>
class Implementations {
 public:
  /// `usable`: those for this machine, fastest first; not empty.
  explicit Implementations(std::vector<const Loops*> usable)
      : usable_(std::move(usable)), current_(usable_.front()) {}

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
  std::atomic<const Loops*> current_;
};

/// The candidates that this machine supports and that `agrees` with the reference, then the
/// reference.
template <typename Loops, typename Agrees>
[[nodiscard]] std::vector<const Loops*> usable_implementations(
    std::span<const Loops* const> candidates, const Loops& reference, const Agrees& agrees) {
  std::vector<const Loops*> usable;
  for (const Loops* candidate : candidates) {
    if (candidate->supported() && agrees(*candidate)) usable.push_back(candidate);
  }
  usable.push_back(&reference);
  return usable;
}

}  // namespace lmgc
