#pragma once

#include <memory>

#include "stages/top_k.h"

namespace lmgc::stages {

/// Values at places that all ranks draw alike, so that no places are sent.
[[nodiscard]] std::shared_ptr<const Sparsifier> make_random_k(Amount amount);

}  // namespace lmgc::stages
