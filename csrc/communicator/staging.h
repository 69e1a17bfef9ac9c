#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "stages/chain.h"

namespace lmgc::communicator {

/// Lossy stages in front of a flight's codec.
struct Staging {
  std::shared_ptr<const stages::Chain> chain;
  std::uint64_t seed = 0;          ///< the same on all ranks
  std::vector<std::string> names;  ///< of the flight's parameters
  /// What stages have left of each so far, flat float32, where the values are: error feedback.
  /// Empty: it is lost.
  std::vector<at::Tensor> residuals;
};

}  // namespace lmgc::communicator
