#pragma once

#include <stdexcept>

namespace lmgc::coder {

/// Bytes that no encoder writes.
class StreamError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace lmgc::coder
