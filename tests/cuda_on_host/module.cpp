#include "memory.h"
#include "model/cuda/bind.h"
#include "model/cuda/device.h"

/// The model of csrc/model/cuda where "device" is the host.
namespace lmgc::model::cuda {

void* current_stream() { return nullptr; }
void check_launches() {}
std::int64_t free_bytes(c10::Device) { return std::int64_t{1} << 30; }

}  // namespace lmgc::model::cuda

PYBIND11_MODULE(_cuda_on_host, module) {
  lmgc::model::cuda::bind(module);
  module.def("guard_tensors", &lmgc::cuda_on_host::guard_tensors);
}
