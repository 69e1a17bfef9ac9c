#pragma once

#include <cstdint>

namespace lmgc::cuda_on_host {

/// How many of a GPU's quotients (csrc/model/formulas.h) differ from x / y: for x = 1 and each y
/// from 1 to 2, and for x = e, y = 1 + e, each `stride`th float e from 2^-28 to 1; by a first
/// inverse off by each of -2 to 2 ulp.
[[nodiscard]] std::int64_t wrong_quotients(std::int32_t stride);

}  // namespace lmgc::cuda_on_host
