#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace lmgc::hook {

/// What of a bucket is averaged by itself: while it is on the wire, the next is encoded.
struct Unit {
  at::Tensor values;
  std::vector<at::Tensor> parameters;
};

/// Whole parameters in the bucket's order, as many at a time as 4 MiB hold, or one.
[[nodiscard]] std::vector<Unit> units_of(const at::Tensor& bucket,
                                         const std::vector<at::Tensor>& parameters);

}  // namespace lmgc::hook
