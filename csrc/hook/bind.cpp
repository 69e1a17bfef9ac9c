#include "hook/bind.h"

#include <pybind11/stl.h>
#include <torch/csrc/jit/python/pybind_utils.h>

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
      state_->communicator().close();
    } else {
      state_->communicator().close();
    }
  }

  c10::intrusive_ptr<c10::ivalue::Future> runHook(c10d::GradBucket& bucket) override {
    return state_->run(bucket);
  }
};

std::shared_ptr<Hook> make(std::shared_ptr<communicator::Communicator> communicator,
                           std::vector<std::vector<std::size_t>> hosts,
                           std::shared_ptr<codec::Codec> codec,
                           const std::vector<ParameterHistory>& histories) {
  Histories by_parameter;
  for (const auto& [parameter, history] : histories) {
    by_parameter.emplace(parameter.unsafeGetTensorImpl(), history);
  }
  return std::make_shared<Hook>(std::move(communicator), std::move(hosts), std::move(codec),
                                std::move(by_parameter));
}

}  // namespace

void bind(py::module_& module) {
  py::class_<Hook, std::shared_ptr<Hook>>(module, "Hook")
      .def(py::init(&make), py::arg("communicator"), py::arg("hosts"), py::arg("codec"),
           py::arg("histories"))
      .def("register",
           [](const std::shared_ptr<Hook>& hook, c10d::Reducer& reducer) {
             reducer.register_comm_hook(std::make_unique<ReducerHook>(hook));
           })
      .def(
          "run",
          [](Hook& hook, const c10d::GradBucket& bucket) {
            return std::make_shared<torch::jit::PythonFutureWrapper>(hook.run(bucket));
          },
          py::arg("bucket"));
}

}  // namespace lmgc::hook
