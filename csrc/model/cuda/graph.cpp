#include "model/cuda/graph.h"

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

/// As C10_CUDA_CHECK; no room on the device is std::bad_alloc.
void check(cudaError_t result) {
  if (result == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // told by the exception
    throw std::bad_alloc();
  }
  C10_CUDA_CHECK(result);
}

/// What `enqueue` puts on a stream of its own, which nobody else has.
Recorded record(const std::function<void(void* stream)>& enqueue) {
  cudaStream_t made = nullptr;
  C10_CUDA_CHECK(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
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
  check(cudaStreamEndCapture(made, &graph));
  return Recorded(graph);
}

}  // namespace

Graph::Graph(const std::function<void(void* stream)>& enqueue) {
  const Recorded recorded = record(enqueue);
  cudaGraphExec_t kernels = nullptr;
  check(cudaGraphInstantiate(&kernels, recorded.get(), 0));
  kernels_ = kernels;
}

Graph::~Graph() {
  C10_CUDA_CHECK_WARN(cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(kernels_)));
}

void Graph::launch(void* stream) const {
  check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(kernels_), static_cast<cudaStream_t>(stream)));
}

}  // namespace lmgc::model::cuda
