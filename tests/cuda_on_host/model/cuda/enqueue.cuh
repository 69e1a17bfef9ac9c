#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "block.h"
#include "memory.h"

/// Twin of csrc/model/cuda/enqueue.cuh: a launch runs the kernel, block after block, unless a graph
/// records it.
namespace lmgc::model::cuda {

static inline void let_next_start() {}
static inline void wait_for_earlier() { cuda_on_host::wait_for_earlier(); }

template <typename T>
[[nodiscard]] static inline T* shared_memory() {
  return reinterpret_cast<T*>(cuda_on_host::running().shared.data());
}

template <typename Kernel>
void allow_shared_memory(Kernel*, std::int64_t) {}

struct Grid {
  dim3 blocks;
  unsigned threads;
  std::int64_t shared_bytes = 0;
};

template <typename... Parameters>
void run(void (*kernel)(Parameters...), const Grid& grid, const Parameters&... arguments) {
  std::size_t index = 0;
  gridDim = {grid.blocks.x, grid.blocks.y, 1};
  for (unsigned y = 0; y < grid.blocks.y; ++y) {
    for (unsigned x = 0; x < grid.blocks.x; ++x) {
      const cuda_on_host::GuardedMemory shared(static_cast<std::size_t>(grid.shared_bytes));
      blockIdx = {x, y, 0};
      cuda_on_host::run_block(index++, grid.threads, shared.bytes(), [&] { kernel(arguments...); });
    }
  }
}

template <typename... Parameters>
void enqueue(void (*kernel)(Parameters...), const Grid& grid, void*,
             const std::type_identity_t<Parameters>&... arguments) {
  if (cuda_on_host::recording == nullptr) return run<Parameters...>(kernel, grid, arguments...);
  cuda_on_host::recording->push_back([=] { run<Parameters...>(kernel, grid, arguments...); });
}

}  // namespace lmgc::model::cuda
