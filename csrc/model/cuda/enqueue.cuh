#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "model/cuda/device.h"

/// How kernels start, and the shared memory that they start with. tests/cuda_on_host has another
/// file of this name, and of tensor_core.cuh's and warpgroup.cuh's, with which they run on the
/// host.
namespace lmgc::model::cuda {

/// Of the block, as much as its launch said.
template <typename T>
[[nodiscard]] static inline __device__ T* shared_memory() {
  extern __shared__ __align__(512) unsigned char shared[];  // as bricks need it
  return reinterpret_cast<T*>(shared);
}

/// Lets `kernel` have `bytes` of it. The limit is the kernel's, not a launch's, and other threads
/// launch it too: it is the device's for all. If that is refused, the launch says so.
template <typename Kernel>
void allow_shared_memory(Kernel* kernel, std::int64_t bytes) {
  if (bytes <= 48 << 10) return;  // any kernel may
  static_cast<void>(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                         static_cast<int>(shared_bytes())));
}

struct Grid {
  dim3 blocks;
  unsigned threads;  ///< of a block
  std::int64_t shared_bytes = 0;
};

/// Enqueues kernel(arguments...) on `stream`, a cudaStream_t.
template <typename... Parameters>
void enqueue(void (*kernel)(Parameters...), const Grid& grid, void* stream,
             const std::type_identity_t<Parameters>&... arguments) {
  kernel<<<grid.blocks, grid.threads, static_cast<std::size_t>(grid.shared_bytes),
           static_cast<cudaStream_t>(stream)>>>(arguments...);
}

}  // namespace lmgc::model::cuda
