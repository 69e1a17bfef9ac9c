#include "stages/bind.h"

#include <ATen/core/grad_mode.h>
#include <pybind11/stl.h>

#include "codec/draw.h"
#include "stages/cast.h"
#include "stages/chain.h"
#include "stages/quantize.h"
#include "stages/random_k.h"
#include "stages/threshold.h"
#include "stages/top_k.h"

namespace py = pybind11;

namespace lmgc::stages {

void bind(py::module_& module) {
  py::class_<Sparsifier, std::shared_ptr<Sparsifier>>(module, "Sparsifier");
  py::class_<Quantizer, std::shared_ptr<Quantizer>>(module, "Quantizer");
  const auto amount = [](std::int64_t count, double share) { return Amount{count, share}; };
  module.def(
      "top_k",
      [amount](std::int64_t count, double share, bool by_parameter) {
        return std::const_pointer_cast<Sparsifier>(make_top_k(amount(count, share), by_parameter));
      },
      py::arg("count"), py::arg("share"), py::arg("by_parameter"));
  module.def(
      "random_k",
      [amount](std::int64_t count, double share) {
        return std::const_pointer_cast<Sparsifier>(make_random_k(amount(count, share)));
      },
      py::arg("count"), py::arg("share"));
  module.def(
      "threshold",
      [](double size) { return std::const_pointer_cast<Sparsifier>(make_threshold(size)); },
      py::arg("size"));
  module.def(
      "cast",
      [](at::ScalarType dtype) { return std::const_pointer_cast<Quantizer>(make_cast(dtype)); },
      py::arg("dtype"));
  module.def(
      "quantize",
      [](int bits, int scope, std::int64_t block, bool stochastic) {
        return std::const_pointer_cast<Quantizer>(
            make_quantize({bits, static_cast<Scope>(scope), block, stochastic}));
      },
      py::arg("bits"), py::arg("scope"), py::arg("block"), py::arg("stochastic"));
  py::class_<Chain, std::shared_ptr<Chain>>(module, "Chain")
      .def(py::init(
               [](std::shared_ptr<Sparsifier> sparsifier, std::shared_ptr<Quantizer> quantizer) {
                 return std::make_shared<Chain>(std::move(sparsifier), std::move(quantizer));
               }),
           py::arg("sparsifier"), py::arg("quantizer"))
      .def(
          "apply",
          [](const Chain& chain, const at::Tensor& values, std::vector<Shape> shapes,
             std::uint64_t shared_key, std::uint64_t own_key) {
            const at::NoGradGuard no_grad;
            return codec::on_host(chain.apply({values, std::move(shapes), shared_key, own_key}));
          },
          py::arg("values"), py::arg("shapes"), py::arg("shared_key"), py::arg("own_key"),
          py::call_guard<py::gil_scoped_release>());
  module.def(
      "first_not_finite",
      [](const at::Tensor& values, const std::vector<Shape>& shapes) {
        return first_not_finite(values, shapes);
      },
      py::arg("values"), py::arg("shapes"));
  module.def("mixed", &codec::mixed, py::arg("key"), py::arg("purpose"));
}

}  // namespace lmgc::stages
