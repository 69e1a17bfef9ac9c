#include "hook/bind.h"

#include <pybind11/stl.h>

#include <memory>
#include <torch/csrc/distributed/c10d/reducer.hpp>
#include <utility>
#include <vector>

#include "hook/hook.h"

namespace lmgc::hook {
namespace {

using ParameterHistory = std::pair<at::Tensor, std::shared_ptr<predict::History>>;
using HookBase = c10d::CppCommHookInterface<std::shared_ptr<Hook>>;

/// What DDP's reducer owns. A hook ends with its reducer, which Python may destroy with the GIL
/// held.
class ReducerHook final : public HookBase {
 public:
  using HookBase::HookBase;
  ReducerHook(const ReducerHook&) = delete;
  ReducerHook& operator=(const ReducerHook&) = delete;
  ~ReducerHook() override {
    if (Py_IsInitialized() != 0 && PyGILState_Check() != 0) {
      const py::gil_scoped_release no_gil;
      state_->close();
    } else {
      state_->close();
    }
  }

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    return state_->run(bucket);
  }
};

std::shared_ptr<Hook> register_hook(
    c10d::Reducer& reducer, c10::intrusive_ptr<c10d::ProcessGroup> owner,
    const std::vector<c10::intrusive_ptr<c10d::ProcessGroup>>& groups,
    const std::vector<std::int64_t>& global_ranks, const c10::intrusive_ptr<c10d::Store>& store,
    std::shared_ptr<codec::Codec> codec, const std::vector<ParameterHistory>& histories) {
  Histories by_parameter;
  for (const auto& [parameter, history] : histories) {
    by_parameter.emplace(parameter.unsafeGetTensorImpl(), history);
  }
  std::vector<collective::Members> members;
  for (const auto& group : groups) members.push_back({group, global_ranks, store});
  auto hook = std::make_shared<Hook>(std::move(members), std::move(owner), std::move(codec),
                                     std::move(by_parameter));
  reducer.register_comm_hook(std::make_unique<ReducerHook>(hook));
  return hook;
}

}  // namespace

void bind(py::module_& module) {
  py::class_<Counters>(module, "Counters")
      .def_readonly("buckets", &Counters::buckets)
      .def_readonly("raw_bytes", &Counters::raw_bytes)
      .def_readonly("payload_bytes", &Counters::payload_bytes)
      .def_readonly("sent_bytes", &Counters::sent_bytes)
      .def_readonly("encode_seconds", &Counters::encode_seconds)
      .def_readonly("wire_seconds", &Counters::wire_seconds)
      .def_readonly("decode_seconds", &Counters::decode_seconds)
      .def_readonly("observe_seconds", &Counters::observe_seconds);
  py::class_<Hook, std::shared_ptr<Hook>>(module, "Hook")
      .def("stats", &Hook::stats, py::arg("reset") = false)
      .def("close", &Hook::close, py::call_guard<py::gil_scoped_release>());
  module.def("register_hook", &register_hook, py::arg("reducer"), py::arg("owner"),
             py::arg("groups"), py::arg("global_ranks"), py::arg("store"), py::arg("codec"),
             py::arg("histories"));
}

}  // namespace lmgc::hook
