#pragma once

#include "model/cuda/epilogue.cuh"

namespace lmgc::model::cuda {

/// A product by Hopper's instructions, and what follows it, if the current device has them and a
/// block of it the room; whether so. Defined for the epilogues there are.
template <typename Epilogue>
[[nodiscard]] bool multiply_resident(const Left& left, const Right& right, const Epilogue& epilogue,
                                     void* stream);

}  // namespace lmgc::model::cuda
