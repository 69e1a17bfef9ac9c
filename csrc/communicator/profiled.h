#pragma once

#include <ATen/record_function.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <memory>
#include <utility>

namespace lmgc::communicator {

/// Whether and how a thread is profiled. Nothing else of its state: a thread of the hook must not
/// run, say, a Python mode.
class Profiled {
 public:
  /// Of this thread.
  static Profiled current() {
    return {at::get_record_function_tls_(), c10::ThreadLocalDebugInfo::current()};
  }

  /// This thread from now on.
  void apply() const {
    at::set_record_function_tls_(callbacks_);
    c10::ThreadLocalDebugInfo::_forceCurrentDebugInfo(info_);
  }

 private:
  Profiled(at::RecordFunctionTLS callbacks, std::shared_ptr<c10::ThreadLocalDebugInfo> info)
      : callbacks_(std::move(callbacks)), info_(std::move(info)) {}

  at::RecordFunctionTLS callbacks_;
  std::shared_ptr<c10::ThreadLocalDebugInfo> info_;
};

}  // namespace lmgc::communicator
