#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

namespace lmgc::communicator {

/// What an exception says, without a backtrace.
[[nodiscard]] inline std::string reason_of(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return "out of memory";
  const auto* c10_error = dynamic_cast<const c10::Error*>(&error);
  return c10_error != nullptr ? c10_error->what_without_backtrace() : error.what();
}

}  // namespace lmgc::communicator
