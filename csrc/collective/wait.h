#pragma once

#include <ATen/core/ivalue.h>

#include <stop_token>
#include <torch/csrc/distributed/c10d/Work.hpp>

namespace lmgc::collective {

/// Waits until `work` ends and throws what it failed with. After a stop request it throws at once
/// and leaves `work` to its process group, which owns the tensors.
void wait(const c10::intrusive_ptr<c10d::Work>& work, const std::stop_token& stop);

/// Waits until `future` is completed, whether with a value or with an error. Throws after a stop
/// request.
void wait(c10::ivalue::Future& future, const std::stop_token& stop);

}  // namespace lmgc::collective
