#pragma once

#include <ATen/core/ivalue.h>
#include <ATen/record_function.h>

#include <chrono>
#include <cstdint>

namespace lmgc::communicator {

/// Adds the time of its life to `seconds`, and shows it to torch.profiler.
class Timed {
 public:
  Timed(const char* name, std::int64_t bucket, double& seconds)
      : bucket_(bucket), range_(at::RecordScope::USER_SCOPE), seconds_(seconds) {
    if (range_.isActive()) range_.before(name, c10::ArrayRef<const c10::IValue>(&bucket_, 1));
  }
  ~Timed() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

 private:
  const c10::IValue bucket_;
  at::RecordFunction range_;
  double& seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace lmgc::communicator
