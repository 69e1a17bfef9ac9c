#pragma once

#include <ATen/core/Tensor.h>

#include "prior/table_launch.h"

namespace lmgc::prior {

/// Operator `lmgc::frequencies(Tensor scores) -> Tensor`: cumulative frequencies, int32
/// [rows, alphabet + 1], of `scores`, int32 [rows, alphabet], Q15.16 nats. CPU and CUDA; the same
/// bits. This checks `scores` and returns them contiguous. Throws c10::ValueError for other shapes
/// or dtypes.
[[nodiscard]] at::Tensor checked_scores(const at::Tensor& scores);

}  // namespace lmgc::prior
