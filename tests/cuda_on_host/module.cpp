#include "memory.h"
#include "model/cuda/bind.h"
#include "model/cuda/device.h"
#include "quotient.h"

/// The model of csrc/model/cuda where "device" is the host.
namespace lmgc::model::cuda {

void* current_stream() { return nullptr; }
void wait_for_stream() {}
void check_launches() {}
std::int64_t free_bytes(c10::Device) { return std::int64_t{1} << 30; }
/// Few, so that a block takes several tiles of rows.
std::int64_t multiprocessors() { return 4; }
bool is_hopper = false;
bool has_warpgroup_products() { return is_hopper; }
/// Of a Hopper; or so few that attention keeps only what few keys need.
std::int64_t shared_bytes() { return is_hopper ? 227 << 10 : 8 << 10; }

}  // namespace lmgc::model::cuda

PYBIND11_MODULE(_cuda_on_host, module) {
  lmgc::model::cuda::bind(module);
  module.def("guard_tensors", &lmgc::cuda_on_host::guard_tensors);
  module.def("wrong_quotients", &lmgc::cuda_on_host::wrong_quotients,
             pybind11::call_guard<pybind11::gil_scoped_release>());
  module.def("be_hopper", [](bool hopper) { lmgc::model::cuda::is_hopper = hopper; });
}
