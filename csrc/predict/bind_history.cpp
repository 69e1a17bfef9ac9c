#include "predict/bind_history.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "predict/history.h"

namespace py = pybind11;

namespace lmgc::predict {
namespace {

template <typename Element>
at::Tensor tensor_of(std::span<const Element> values, std::vector<std::int64_t> shape,
                     at::ScalarType dtype) {
  at::Tensor tensor = at::empty(shape, at::kLong);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<std::int64_t>());
  return tensor.to(dtype);
}

template <typename Element>
at::Tensor vector_of(const std::vector<Element>& values) {
  return tensor_of<Element>(values, {static_cast<std::int64_t>(values.size())}, at::kLong);
}

py::dict dict_of(const Side& side) {
  const auto n = static_cast<std::int64_t>(side.order.size());
  py::dict dict;
  dict["order"] = vector_of(side.order);
  dict["edges"] = vector_of(side.edges);
  dict["pivots"] = side.pivots;
  dict["weights"] =
      tensor_of<std::int8_t>(side.weights, {n, static_cast<std::int64_t>(side.pivots)}, at::kChar);
  dict["shift"] = vector_of(side.shift);
  dict["exponent"] = vector_of(side.exponent);
  return dict;
}

py::object object_of(const Model* model) {
  if (model == nullptr) return py::none();
  py::dict dict;
  dict["columns"] = dict_of(model->columns);
  dict["rows"] = dict_of(model->rows);
  dict["remainder_exponent"] = vector_of(model->remainder_exponent);
  return dict;
}

void observe(History& history, const at::Tensor& average) {
  TORCH_CHECK_VALUE(
      average.is_contiguous() && average.device().is_cpu() && average.scalar_type() == at::kFloat,
      "lmgc::predict: an average is a contiguous float32 CPU tensor, got ", average.toString(),
      average.sizes());
  history.observe({average.const_data_ptr<float>(), static_cast<std::size_t>(average.numel())});
}

}  // namespace

void bind_history(py::module_& module) {
  module.def(
      "is_matrix", [](const std::vector<std::int64_t>& shape) { return is_matrix(shape); },
      py::arg("shape"));
  module.def(
      "learning_plan",
      [](const std::vector<std::int64_t>& shape, std::size_t max_pivots, std::size_t period) {
        const LearningPlan plan =
            learning_plan(shape, {.max_pivots = max_pivots, .period = period});
        return py::make_tuple(plan.period, plan.costs);
      },
      py::arg("shape"), py::arg("max_pivots") = 128, py::arg("period") = HistoryOptions().period);
  py::class_<History, std::shared_ptr<History>>(module, "History")
      .def(py::init([](const std::vector<std::int64_t>& shape, std::size_t max_pivots,
                       std::uint16_t block, std::size_t period, std::size_t phase,
                       std::uint32_t turn) {
             return std::make_shared<History>(shape, HistoryOptions{.max_pivots = max_pivots,
                                                                    .block = block,
                                                                    .period = period,
                                                                    .phase = phase,
                                                                    .turn = turn});
           }),
           py::arg("shape"), py::arg("max_pivots") = 128, py::arg("block") = HistoryOptions().block,
           py::arg("period") = HistoryOptions().period, py::arg("phase") = 0, py::arg("turn") = 0)
      .def("observe", &observe, py::arg("average"), py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("steps", &History::steps)
      .def_property_readonly("bytes", &History::bytes)
      .def_property_readonly("fingerprint", &History::fingerprint)
      .def_property_readonly(
          "tiles",
          [](const History& history) {
            py::list tiles;
            for (const Tile& tile : history.tiles()) {
              tiles.append(py::make_tuple(tile.start, tile.rows, tile.columns, tile.stride));
            }
            return tiles;
          })
      .def("models",
           [](const History& history) {
             py::list models;
             for (const auto& model : history.models()) models.append(object_of(model.get()));
             return models;
           })
      .def("state",
           [](const History& history) {
             const std::vector<std::byte> state = history.state();
             return py::bytes(reinterpret_cast<const char*>(state.data()), state.size());
           })
      .def(
          "restore",
          [](History& history, const py::bytes& state) {
            const auto view = static_cast<std::string_view>(state);
            history.restore(std::as_bytes(std::span(view)));
          },
          py::arg("state"))
      .def("reset", &History::reset);
}

}  // namespace lmgc::predict
