#include "communicator/bind.h"

#include <ATen/Parallel.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/python/pybind_utils.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "collective/device_transfer.h"
#include "communicator/collectives.h"
#include "communicator/communicator.h"

namespace lmgc::communicator {
namespace {

using GroupPtr = c10::intrusive_ptr<c10d::ProcessGroup>;
using Exchanges = std::vector<std::pair<GroupPtr, std::vector<std::int64_t>>>;

std::shared_ptr<Communicator> make(const GroupPtr& owner, std::vector<std::int64_t> global_ranks,
                                   const c10::intrusive_ptr<c10d::Store>& store,
                                   const Exchanges& exchanges,
                                   const std::optional<c10::Device>& payload_device) {
  std::vector<collective::Members> members;
  for (const auto& [group, ranks] : exchanges) {
    members.push_back({group, ranks});
    if (payload_device) members.back().stream = collective::new_stream(*payload_device);
  }
  const auto own = static_cast<std::size_t>(owner->getRank());
  // OpenMP counts for each thread: the communicator's do as the one that makes it.
  return std::make_shared<Communicator>(collective::Roster{std::move(global_ranks), own, store},
                                        std::move(members), owner, at::get_num_threads());
}

using PythonFuture = std::shared_ptr<torch::jit::PythonFutureWrapper>;

PythonFuture wrap(Collectives::FuturePtr future) {
  return std::make_shared<torch::jit::PythonFutureWrapper>(std::move(future));
}

Collectives::FuturePtr unwrap(const PythonFuture& future) {
  return future != nullptr ? future->fut : nullptr;
}

void bind_collectives(py::module_& module) {
  py::class_<Coding>(module, "Coding")
      .def(py::init([](std::shared_ptr<codec::Codec> codec,
                       std::vector<codec::Parameter> parameters, std::string name) {
             return Coding{std::move(codec), std::move(parameters), std::move(name), {}};
           }),
           py::arg("codec"), py::arg("parameters"), py::arg("name"))
      .def(py::init([](std::string problem) { return Coding{{}, {}, {}, std::move(problem)}; }),
           py::arg("problem"))
      .def_property_readonly("has_history", &Coding::has_history);
  // With the GIL: calls of several threads come one after another.
  py::class_<Collectives>(module, "Collectives")
      .def(py::init<std::shared_ptr<Communicator>>(), py::arg("communicator"))
      .def(
          "all_reduce",
          [](Collectives& self, const at::Tensor& tensor, const std::string& op,
             const Coding& coding, const PythonFuture& after) {
            return wrap(self.all_reduce(tensor, op, coding, unwrap(after)));
          },
          py::arg("tensor"), py::arg("op"), py::arg("coding"), py::arg("after"))
      .def(
          "all_gather",
          [](Collectives& self, const Collectives::Tensors& outputs, const at::Tensor& input,
             const Coding& coding, const PythonFuture& after) {
            return wrap(self.all_gather(outputs, input, coding, unwrap(after)));
          },
          py::arg("outputs"), py::arg("input"), py::arg("coding"), py::arg("after"))
      .def(
          "reduce_scatter",
          [](Collectives& self, const at::Tensor& output, const Collectives::Tensors& inputs,
             const std::string& op, const Coding& coding) {
            return wrap(self.reduce_scatter(output, inputs, op, coding));
          },
          py::arg("output"), py::arg("inputs"), py::arg("op"), py::arg("coding"));
}

}  // namespace

void bind(py::module_& module) {
  py::class_<Counters>(module, "Counters")
      .def_readonly("buckets", &Counters::buckets)
      .def_readonly("plain_buckets", &Counters::plain_buckets)
      .def_readonly("raw_bytes", &Counters::raw_bytes)
      .def_readonly("coded_bytes", &Counters::coded_bytes)
      .def_readonly("payload_bytes", &Counters::payload_bytes)
      .def_readonly("sent_bytes", &Counters::sent_bytes)
      .def_readonly("encode_seconds", &Counters::encode_seconds)
      .def_readonly("wire_seconds", &Counters::wire_seconds)
      .def_readonly("decode_seconds", &Counters::decode_seconds)
      .def_readonly("observe_seconds", &Counters::observe_seconds);
  py::class_<Communicator, std::shared_ptr<Communicator>>(module, "Communicator")
      .def(py::init(&make), py::arg("owner"), py::arg("global_ranks"), py::arg("store"),
           py::arg("exchanges"), py::arg("payload_device") = std::nullopt)
      .def("stats", [](Communicator& communicator) { return communicator.stats().snapshot(); })
      .def("close", &Communicator::close, py::call_guard<py::gil_scoped_release>());
  bind_collectives(module);
}

}  // namespace lmgc::communicator
