#pragma once

#include <c10/core/Device.h>

#include <cstdint>

/// What the model asks of CUDA's runtime beside its kernels.
namespace lmgc::model::cuda {

/// The caller's, on the current device: a cudaStream_t.
[[nodiscard]] void* current_stream();
/// Until it has done what it was given.
void wait_for_stream();
/// Throws c10::Error if a kernel could not start.
void check_launches();
/// Memory that `device` has room for now.
[[nodiscard]] std::int64_t free_bytes(c10::Device device);

/// Of the current device, as are the next.
[[nodiscard]] std::int64_t multiprocessors();
/// That a block can have.
[[nodiscard]] std::int64_t shared_bytes();
/// Whether it is a Hopper, for whose products of warpgroups there is machine code here.
[[nodiscard]] bool has_warpgroup_products();

}  // namespace lmgc::model::cuda
