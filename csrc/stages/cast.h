#pragma once

#include <memory>

#include "stages/stage.h"

namespace lmgc::stages {

/// To float16 or bfloat16, nearest, ties to even.
[[nodiscard]] std::shared_ptr<const Quantizer> make_cast(at::ScalarType dtype);

}  // namespace lmgc::stages
