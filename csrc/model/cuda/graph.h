#pragma once

#include <functional>

namespace lmgc::model::cuda {

/// Kernels that the device starts as one (a CUDA graph), for the caller's current device.
class Graph {
 public:
  /// Of those that `enqueue` enqueues on the stream that it gets, a cudaStream_t; none is run, and
  /// it may do nothing else there. Throws std::bad_alloc, c10::Error.
  explicit Graph(const std::function<void(void* stream)>& enqueue);
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph();

  void launch(void* stream) const;

 private:
  void* kernels_;  // a cudaGraphExec_t
};

}  // namespace lmgc::model::cuda
