#pragma once

#include <memory>

#include "stages/stage.h"

namespace lmgc::stages {

/// The values of at least a size.
[[nodiscard]] std::shared_ptr<const Sparsifier> make_threshold(double size);

}  // namespace lmgc::stages
