#include "hook/bind.h"

#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <torch/csrc/jit/python/pybind_utils.h>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <torch/csrc/distributed/c10d/reducer.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "hook/hook.h"

namespace lmgc::hook {
namespace {

using GroupPtr = c10::intrusive_ptr<c10d::ProcessGroup>;
using ParameterHistory = std::pair<at::Tensor, std::shared_ptr<predict::History>>;
using NamedPreset =
    std::tuple<std::string, std::shared_ptr<codec::Codec>, std::vector<ParameterHistory>>;
using StageParameter = std::tuple<at::Tensor, std::string, std::optional<at::Tensor>>;
using NamedStages =
    std::tuple<std::shared_ptr<stages::Chain>, std::uint64_t, std::vector<StageParameter>>;
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

std::shared_ptr<Hook> make(std::shared_ptr<communicator::Communicator> communicator,
                           std::vector<std::vector<std::size_t>> hosts,
                           const std::vector<NamedPreset>& presets,
                           const std::optional<GroupPtr>& planning,
                           const std::optional<NamedStages>& stages) {
  std::vector<Preset> made;
  for (const auto& [name, codec, histories] : presets) {
    Preset& preset = made.emplace_back(Preset{name, codec, {}});
    for (const auto& [parameter, history] : histories) {
      preset.histories.emplace(parameter.unsafeGetTensorImpl(), history);
    }
  }
  if (stages) {
    const auto& [chain, seed, parameters] = *stages;
    Stages& all = made.front().stages.emplace(Stages{chain, seed, {}});
    for (const auto& [parameter, name, residual] : parameters) {
      all.parameters.emplace(parameter.unsafeGetTensorImpl(),
                             Stages::Parameter{name, residual.value_or(at::Tensor())});
    }
  }
  std::optional<collective::Members> members;
  if (planning) {
    members = {*planning, communicator->roster().global_ranks, communicator->members(0).stream};
  }
  return std::make_shared<Hook>(std::move(communicator), std::move(hosts), std::move(made),
                                std::move(members));
}

py::dict dict_of(const Trial& trial) {
  static constexpr std::array kOutcomes{"untried", "measured", "skipped", "abandoned"};
  py::dict dict;
  dict["outcome"] = kOutcomes[static_cast<std::size_t>(trial.outcome)];
  dict["step_ns"] = trial.step_ns;
  dict["sent_bytes"] = trial.sent_bytes;
  dict["encode_ns"] = trial.encode_ns;
  dict["wire_ns"] = trial.wire_ns;
  dict["decode_ns"] = trial.decode_ns;
  return dict;
}

py::dict dict_of(const Planner::Report& report) {
  py::list presets;
  for (const Trial& trial : report.presets) presets.append(dict_of(trial));
  py::dict dict;
  dict["deciding"] = report.deciding;
  dict["method"] = report.method;
  dict["plain_buckets"] = report.plain_buckets;
  dict["exchange_ns"] = report.link.exchange_ns;
  dict["reduction_ns"] = report.link.reduction_ns;
  dict["bytes_per_second"] = report.link.bytes_per_second;
  dict["plain"] = dict_of(report.plain);
  dict["presets"] = presets;
  dict["steps"] = report.steps;
  dict["decided_at"] = report.decided_at;
  dict["reason"] = report.reason;
  return dict;
}

/// A planner on instruments of Python's, to see what it decides.
void bind_planner(py::module_& module) {
  using Numbers = std::vector<std::int64_t>;
  py::class_<Planner>(module, "Planner")
      .def(py::init([](std::vector<std::string> presets, std::int64_t world_size,
                       std::int64_t rounds, std::function<std::int64_t()> now_ns,
                       const std::function<std::map<std::int64_t, Numbers>()>& counters,
                       std::function<Numbers(const Numbers&)> largest,
                       const std::function<Numbers()>& link) {
             return std::make_unique<Planner>(
                 std::move(presets), world_size, rounds,
                 Instruments{std::move(now_ns),
                             [counters] {
                               communicator::Stats::Snapshot snapshot;
                               for (const auto& [bucket, numbers] : counters()) {
                                 communicator::Counters& all = snapshot[bucket];
                                 all.raw_bytes = numbers.at(0);
                                 all.sent_bytes = numbers.at(1);
                                 all.encode_seconds = 1e-9 * static_cast<double>(numbers.at(2));
                                 all.decode_seconds = 1e-9 * static_cast<double>(numbers.at(3));
                               }
                               return snapshot;
                             },
                             std::move(largest),
                             [link] {
                               const Numbers numbers = link();
                               return Link{numbers.at(0), numbers.at(1), numbers.at(2)};
                             }});
           }),
           py::arg("presets"), py::arg("world_size"), py::arg("rounds"), py::arg("now_ns"),
           py::arg("counters"), py::arg("largest"), py::arg("link"))
      .def("begin_step", &Planner::begin_step)
      .def("method_of", &Planner::method_of, py::arg("bucket"))
      .def("resume", &Planner::resume, py::arg("method"))
      .def("report", [](const Planner& planner) { return dict_of(planner.report()); });
}

}  // namespace

void bind(py::module_& module) {
  bind_planner(module);
  py::class_<Hook, std::shared_ptr<Hook>>(module, "Hook")
      .def(py::init(&make), py::arg("communicator"), py::arg("hosts"), py::arg("presets"),
           py::arg("planning") = std::nullopt, py::arg("stages") = std::nullopt)
      .def("register",
           [](const std::shared_ptr<Hook>& hook, c10d::Reducer& reducer) {
             reducer.register_comm_hook(std::make_unique<ReducerHook>(hook));
           })
      .def(
          "run",
          [](Hook& hook, const c10d::GradBucket& bucket) {
            return std::make_shared<torch::jit::PythonFutureWrapper>(hook.run(bucket));
          },
          py::arg("bucket"), py::call_guard<py::gil_scoped_release>())
      .def("close", &Hook::close, py::call_guard<py::gil_scoped_release>())
      .def("plan",
           [](Hook& hook) -> std::optional<py::dict> {
             if (hook.planner() == nullptr) return std::nullopt;
             return dict_of(hook.planner()->report());
           })
      .def("resume_plan", [](Hook& hook, Method method) {
        if (hook.planner() != nullptr) hook.planner()->resume(method);
      });
}

}  // namespace lmgc::hook
