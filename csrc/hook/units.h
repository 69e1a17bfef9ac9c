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

/// Whole parameters in the bucket's order, about 4 MiB at a time, or 512 KiB for each rank.
[[nodiscard]] std::vector<Unit> units_of(const at::Tensor& bucket,
                                         const std::vector<at::Tensor>& parameters,
                                         std::int64_t ranks);

}  // namespace lmgc::hook
