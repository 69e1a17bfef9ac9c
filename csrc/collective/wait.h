#pragma once

#include <stop_token>
#include <torch/csrc/distributed/c10d/Work.hpp>

namespace lmgc::collective {

/// Waits until `work` ends and throws what it failed with. After a stop request it throws at once
/// and leaves `work` to its process group, which owns the tensors.
void wait(const c10::intrusive_ptr<c10d::Work>& work, const std::stop_token& stop);

}  // namespace lmgc::collective
