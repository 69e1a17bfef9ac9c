#pragma once

#include <cstdint>
#include <memory>

#include "stages/stage.h"

namespace lmgc::stages {

/// How many of some values are kept.
struct Amount {
  std::int64_t count = 0;  ///< 0: by share
  double share = 0;        ///< rounded up to whole values

  [[nodiscard]] std::int64_t of(std::int64_t values) const;
};
/// Throws c10::ValueError unless it is one of both, and of some values.
void check_amount(const char* stage, Amount amount);

/// The values of largest size, of each parameter or of all together.
[[nodiscard]] std::shared_ptr<const Sparsifier> make_top_k(Amount amount, bool by_parameter);

}  // namespace lmgc::stages
