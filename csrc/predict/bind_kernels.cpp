#include "predict/bind_kernels.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/constant_pad_nd.h>

#include <string>
#include <vector>

#include "predict/gemm.h"
#include "predict/pairs.h"
#include "predict/row_kernels.h"
#include "predict/wide_loops.h"

namespace py = pybind11;

namespace lmgc::predict {
namespace {

void check_matrix(const at::Tensor& tensor, const char* name, at::ScalarType dtype) {
  TORCH_CHECK_VALUE(tensor.dim() == 2 && tensor.scalar_type() == dtype &&
                        tensor.device().is_cpu() &&
                        (tensor.numel() == 0 || tensor.size(1) == 1 || tensor.stride(1) == 1),
                    "lmgc::predict: ", name, " is ", tensor.toString(), tensor.sizes(),
                    ", expected a CPU matrix of ", dtype, " whose rows are contiguous");
}

/// c = a b, or c += a b.
void multiply(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c,
              const std::string& path, bool accumulate) {
  check_matrix(a, "a", at::kShort);
  check_matrix(b, "b", at::kShort);
  check_matrix(c, "c", at::kInt);
  TORCH_CHECK_VALUE(a.size(1) == b.size(0) && c.size(0) == a.size(0) && c.size(1) == b.size(1),
                    "lmgc::predict: no product of ", a.sizes(), " and ", b.sizes(), " in ",
                    c.sizes());
  const GemmKernels& kernels = gemm_kernels(path);
  const at::Tensor even = a.size(1) % 2 == 0 ? a : at::constant_pad_nd(a, {0, 1});
  const auto inner = static_cast<std::size_t>(b.size(0));
  const auto n = static_cast<std::size_t>(b.size(1));
  std::vector<std::int16_t> pairs((inner + 1) / 2 * 2 * n);
  interleave_pairs(b.const_data_ptr<std::int16_t>(), static_cast<std::size_t>(b.stride(0)), inner,
                   n, pairs.data());
  const GemmShape shape{.m = static_cast<std::size_t>(a.size(0)),
                        .n = n,
                        .pairs = (inner + 1) / 2,
                        .a_stride = static_cast<std::size_t>(even.stride(0)),
                        .b_stride = 2 * n,
                        .c_stride = static_cast<std::size_t>(c.stride(0))};
  const py::gil_scoped_release no_gil;
  kernels.multiply(shape, even.const_data_ptr<std::int16_t>(), pairs.data(),
                   c.mutable_data_ptr<std::int32_t>(), accumulate);
}

template <typename Kernels>
std::vector<std::string> names_of(std::span<const Kernels* const> usable) {
  std::vector<std::string> names;
  for (const Kernels* kernels : usable) names.emplace_back(kernels->name);
  return names;
}

}  // namespace

void bind_kernels(py::module_& m) {
  m.def("predict_gemm_paths", [] { return names_of(usable_gemm_kernels()); });
  m.def(
      "set_predict_gemm_path", [](const std::string& name) { use_gemm_kernels(name); },
      py::arg("name"));
  m.def("wide_paths", [] { return names_of(usable_wide_loops()); });
  m.def("set_wide_path", [](const std::string& name) { use_wide_loops(name); }, py::arg("name"));
  m.def("row_paths", [] { return names_of(usable_row_kernels()); });
  m.def("set_row_path", [](const std::string& name) { use_row_kernels(name); }, py::arg("name"));
  m.def("predict_gemm", &multiply, py::arg("a"), py::arg("b"), py::arg("c"), py::arg("path"),
        py::arg("accumulate") = false);
}

}  // namespace lmgc::predict
