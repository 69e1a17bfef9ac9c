#pragma once

#include <memory>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <unordered_map>

#include "hook/averager.h"
#include "hook/counters.h"
#include "hook/pipeline.h"
#include "predict/history.h"

namespace lmgc::hook {

/// History of each parameter that has one.
using Histories = std::unordered_map<const at::TensorImpl*, std::shared_ptr<predict::History>>;

/// What DDP's hook and its Python handle share: an averager, and the threads it works on.
class Hook {
 public:
  Hook(std::vector<collective::Members> groups, c10::intrusive_ptr<c10d::ProcessGroup> owner,
       std::shared_ptr<const codec::Codec> codec, Histories histories);
  ~Hook();
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

  /// Returns at once; a thread of the hook completes the future with the average, or with an error.
  [[nodiscard]] c10::intrusive_ptr<c10::ivalue::Future> run(const c10d::GradBucket& bucket);

  /// Fails what is under way and joins the threads. Call it without the GIL: their tensors and
  /// callbacks may need it.
  void close();

  [[nodiscard]] Stats::Snapshot stats(bool reset) { return averager_.stats().snapshot(reset); }

 private:
  bool alone_;
  Histories histories_;
  Averager averager_;
  Pipeline pipeline_;  // last: its stages are the averager's
};

}  // namespace lmgc::hook
