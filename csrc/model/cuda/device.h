#pragma once

#include <c10/core/Device.h>

#include <cstdint>

/// What the model asks of CUDA's runtime beside its kernels.
namespace lmgc::model::cuda {

/// The caller's, on the current device: a cudaStream_t.
[[nodiscard]] void* current_stream();
/// Throws c10::Error if a kernel could not start.
void check_launches();
/// Memory that `device` has room for now.
[[nodiscard]] std::int64_t free_bytes(c10::Device device);

}  // namespace lmgc::model::cuda
