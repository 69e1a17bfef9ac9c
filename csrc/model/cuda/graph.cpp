#include "model/cuda/graph.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <cuda_runtime.h>

#include <memory>
#include <new>
#include <type_traits>

namespace lmgc::model::cuda {
namespace {

template <typename Handle, auto destroy>
struct Destroy {
  using pointer = Handle;
  void operator()(Handle handle) const { C10_CUDA_CHECK_WARN(destroy(handle)); }
};
template <typename Handle, auto destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<Handle, destroy>>;

using Recorded = Owned<cudaGraph_t, &cudaGraphDestroy>;

/// Does `call`, which returns a cudaError_t. What it needs comes from the driver: if that has no
/// memory, from what Torch keeps of it unused; if there is none, throws std::bad_alloc.
template <typename Call>
void with_room(const Call& call) {
  cudaError_t result = call();
  if (result == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // seen
    c10::cuda::CUDACachingAllocator::emptyCache();
    result = call();
  }
  if (result == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    throw std::bad_alloc();
  }
  C10_CUDA_CHECK(result);
}

/// What `enqueue` puts on a stream of its own, which nobody else has.
Recorded record(const std::function<void(void* stream)>& enqueue) {
  cudaStream_t made = nullptr;
  with_room([&] { return cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking); });
  const Owned<cudaStream_t, &cudaStreamDestroy> stream(made);
  C10_CUDA_CHECK(cudaStreamBeginCapture(made, cudaStreamCaptureModeThreadLocal));
  cudaGraph_t graph = nullptr;
  try {
    enqueue(made);
  } catch (...) {
    C10_CUDA_CHECK_WARN(cudaStreamEndCapture(made, &graph));
    if (graph != nullptr) C10_CUDA_CHECK_WARN(cudaGraphDestroy(graph));
    throw;
  }
  C10_CUDA_CHECK(cudaStreamEndCapture(made, &graph));
  return Recorded(graph);
}

}  // namespace

Graph::Graph(const std::function<void(void* stream)>& enqueue) {
  const Recorded recorded = record(enqueue);
  cudaGraphExec_t kernels = nullptr;
  with_room([&] { return cudaGraphInstantiate(&kernels, recorded.get(), 0); });
  kernels_ = kernels;
}

Graph::~Graph() {
  C10_CUDA_CHECK_WARN(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(kernels_)));
}

void Graph::launch(void* stream) const {
  with_room([&] {
    return cudaGraphLaunch(static_cast<cudaGraphExec_t>(kernels_),
                           static_cast<cudaStream_t>(stream));
  });
}

}  // namespace lmgc::model::cuda
