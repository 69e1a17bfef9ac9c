#include "model/cuda/device.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstddef>

namespace lmgc::model::cuda {

void* current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

void check_launches() { C10_CUDA_KERNEL_LAUNCH_CHECK(); }

std::int64_t free_bytes(c10::Device device) {
  const c10::cuda::CUDAGuard guard(device);
  std::size_t free = 0, all = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &all));
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const std::int64_t kept =
      stats.reserved_bytes[kAll].current - stats.allocated_bytes[kAll].current;
  return static_cast<std::int64_t>(free) + kept;
}

}  // namespace lmgc::model::cuda
