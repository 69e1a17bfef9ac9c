#pragma once

#include <memory>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <unordered_map>
#include <vector>

#include "codec/codec.h"
#include "communicator/communicator.h"
#include "predict/history.h"

namespace lmgc::hook {

/// History of each parameter that has one.
using Histories = std::unordered_map<const at::TensorImpl*, std::shared_ptr<predict::History>>;

/// Averages DDP's buckets through a communicator.
class Hook {
 public:
  /// `hosts`: ranks of each; empty: all ranks are alike.
  Hook(std::shared_ptr<communicator::Communicator> communicator,
       std::vector<std::vector<std::size_t>> hosts, std::shared_ptr<const codec::Codec> codec,
       Histories histories);

  /// Returns at once; the future is completed with the average, or with an error.
  [[nodiscard]] c10::intrusive_ptr<c10::ivalue::Future> run(const c10d::GradBucket& bucket);

  [[nodiscard]] communicator::Communicator& communicator() { return *communicator_; }

 private:
  std::shared_ptr<communicator::Communicator> communicator_;
  std::shared_ptr<communicator::Operation> average_;
  std::shared_ptr<const codec::Codec> codec_;
  Histories histories_;
};

}  // namespace lmgc::hook
