#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace lmgc {

/// Memory to be used again and again: fresh pages cost as much as what is computed in them.
template <typename Element>
class Buffer {
 public:
  /// Room for `count` elements of undefined value. What the last call gave is no longer valid.
  [[nodiscard]] std::span<Element> room(std::size_t count) {
    if (count > size_) {
      elements_.reset();
      size_ = 0;
      elements_ = std::make_unique_for_overwrite<Element[]>(count);
      size_ = count;
    }
    return {elements_.get(), count};
  }

 private:
  std::unique_ptr<Element[]> elements_;
  std::size_t size_ = 0;
};

}  // namespace lmgc
