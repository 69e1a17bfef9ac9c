#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "model/cuda/device.h"

/// How kernels start, and the shared memory that they start with. tests/cuda_on_host has another
/// file of this name, and of tensor_core.cuh's and warpgroup.cuh's, with which they run on the
/// host.
namespace lmgc::model::cuda {

/// Blocks of the stream's next kernel may start where those of this one leave room. Every kernel
/// begins with it (CUDA's programming guide, programmatic dependent launch).
static inline __device__ void let_next_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;\n");
#endif
}

/// Until the stream's kernels before this one are done. Every kernel calls it before it writes, or
/// reads what others write: all but the model's tensors.
static inline __device__ void wait_for_earlier() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;\n" ::: "memory");
#endif
}

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

/// Enqueues kernel(arguments...) on `stream`, a cudaStream_t. What goes wrong, check_launches
/// tells.
template <typename... Parameters>
void enqueue(void (*kernel)(Parameters...), const Grid& grid, void* stream,
             const std::type_identity_t<Parameters>&... arguments) {
  cudaLaunchAttribute starts_early{};
  starts_early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  starts_early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t launch{};
  launch.gridDim = grid.blocks;
  launch.blockDim = grid.threads;
  launch.dynamicSmemBytes = static_cast<std::size_t>(grid.shared_bytes);
  launch.stream = static_cast<cudaStream_t>(stream);
  launch.attrs = &starts_early;
  launch.numAttrs = kernels_may_overlap() ? 1 : 0;
  static_cast<void>(cudaLaunchKernelEx(&launch, kernel, arguments...));
}

}  // namespace lmgc::model::cuda
