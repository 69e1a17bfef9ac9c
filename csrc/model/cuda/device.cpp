#include "model/cuda/device.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstddef>
#include <vector>

namespace lmgc::model::cuda {
namespace {

struct Facts {
  int multiprocessors, shared_bytes, major, minor, driver;
};

/// Of the current device; asked of the driver once, since every launch asks.
const Facts& facts() {
  static const std::vector<Facts> of_all = [] {
    int count = 0, driver = 0;
    C10_CUDA_CHECK(cudaGetDeviceCount(&count));
    C10_CUDA_CHECK(cudaDriverGetVersion(&driver));
    std::vector<Facts> all;
    for (int device = 0; device < count; ++device) {
      const auto attribute = [device](cudaDeviceAttr which) {
        int value = 0;
        C10_CUDA_CHECK(cudaDeviceGetAttribute(&value, which, device));
        return value;
      };
      all.push_back({attribute(cudaDevAttrMultiProcessorCount),
                     attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin),
                     attribute(cudaDevAttrComputeCapabilityMajor),
                     attribute(cudaDevAttrComputeCapabilityMinor), driver});
    }
    return all;
  }();
  int device = 0;
  C10_CUDA_CHECK(cudaGetDevice(&device));
  return of_all[static_cast<std::size_t>(device)];
}

}  // namespace

void* current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

void wait_for_stream() { c10::cuda::getCurrentCUDAStream().synchronize(); }

void check_launches() { C10_CUDA_KERNEL_LAUNCH_CHECK(); }

std::int64_t pass_rows() { return 65536; }

Moment::Moment() {
  cudaEvent_t event = nullptr;
  C10_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  event_ = event;
  C10_CUDA_CHECK(cudaEventRecord(event, c10::cuda::getCurrentCUDAStream().stream()));
}

Moment::~Moment() { C10_CUDA_CHECK_WARN(cudaEventDestroy(static_cast<cudaEvent_t>(event_))); }

void Moment::wait() const {
  C10_CUDA_CHECK(cudaEventSynchronize(static_cast<cudaEvent_t>(event_)));
}

at::TensorOptions pinned() { return at::TensorOptions().pinned_memory(true); }

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

std::int64_t multiprocessors() { return facts().multiprocessors; }

std::int64_t shared_bytes() { return facts().shared_bytes; }

bool has_warpgroup_products() {
#ifdef LMGC_HOPPER
  return facts().major == 9 && facts().minor == 0;
#else
  return false;
#endif
}

bool kernels_may_overlap() {
#ifdef LMGC_OVERLAPPING_KERNELS
  constexpr int kRecordsThem = 12030;  // the driver that takes such launches into graphs
  return facts().major >= 9 && facts().driver >= kRecordsThem;
#else
  return false;
#endif
}

}  // namespace lmgc::model::cuda
