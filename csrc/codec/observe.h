#pragma once

#include <ATen/core/Tensor.h>

#include <span>

#include "codec/parameter.h"

namespace lmgc::codec {

/// Feeds a step's average, which has the same bits on every rank, to the histories of the
/// parameters that lie in it one after another. No encode or decode may use them meanwhile. Throws
/// c10::TypeError unless it is a dense float tensor, c10::ValueError for parameters that do not add
/// up to it.
void observe(const at::Tensor& average, std::span<const Parameter> parameters);

}  // namespace lmgc::codec
