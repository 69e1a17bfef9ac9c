#pragma once

#include "model/cuda/epilogue.cuh"

namespace lmgc::model::cuda {

/// Whether multiply_resident takes the product, on the current device.
[[nodiscard]] bool can_be_resident(const Right& right);

/// A product by Hopper's instructions, and what follows it. Defined for the epilogues there are.
template <typename Epilogue>
void multiply_resident(const Left& left, const Right& right, const Epilogue& epilogue,
                       void* stream);

}  // namespace lmgc::model::cuda
