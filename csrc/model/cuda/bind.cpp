#include "model/cuda/bind.h"

#include <ATen/ATen.h>

#include <vector>

#include "model/bind.h"
#include "model/cuda/language_model.h"
#include "model/cuda/lockstep.h"

namespace py = pybind11;

namespace lmgc::model::cuda {
namespace {

void check_tokens(const at::Tensor& tokens, std::int64_t vocabulary) {
  const at::Tensor host = tokens.cpu();
  TORCH_CHECK_VALUE(host.numel() == 0 || (host.min().item<std::int64_t>() >= 0 &&
                                          host.max().item<std::int64_t>() < vocabulary),
                    "lmgc::model: tokens outside the vocabulary of ", vocabulary);
}

/// Scores on the device, [lanes, count of wanted, readout tokens].
at::Tensor extend(const LanguageModel& model, KeyValueCache& cache, const at::Tensor& tokens,
                  const Matrix& readout, std::vector<bool> wanted) {
  if (wanted.empty() && tokens.dim() == 2) {
    wanted.assign(static_cast<std::size_t>(tokens.size(1)), true);
  }
  check_tokens(tokens, model.architecture().vocabulary);
  const std::vector<std::uint8_t> flags(wanted.begin(), wanted.end());
  return model.extend(cache, tokens.to(model.device()).contiguous(), flags, readout);
}

/// Scores on the device, [lanes, readout tokens]; they last until the next step.
at::Tensor step(Lockstep& lockstep, const at::Tensor& tokens) {
  TORCH_CHECK_VALUE(tokens.dim() == 1 && tokens.size(0) == lockstep.tokens().size(0),
                    "lmgc::model: tokens of a step are [lanes], for ", lockstep.tokens().size(0),
                    " lanes, got ", tokens.sizes());
  check_tokens(tokens, lockstep.model().architecture().vocabulary);
  lockstep.tokens().copy_(tokens.unsqueeze(-1));
  return lockstep.step();
}

}  // namespace

void bind(py::module_& m) {
  const py::call_guard<py::gil_scoped_release> no_gil;
  // Local: tests have another module with them.
  py::class_<Matrix>(m, "CudaReadout", py::module_local());
  py::class_<KeyValueCache>(m, "CudaKeyValueCache", py::module_local())
      .def_property_readonly("lanes", &KeyValueCache::lanes)
      .def_property_readonly("length", &KeyValueCache::length)
      .def_property_readonly("capacity", &KeyValueCache::capacity);
  py::class_<Lockstep>(m, "CudaLockstep", py::module_local())
      .def("step", &step, py::arg("tokens"), no_gil);
  py::class_<LanguageModel, std::shared_ptr<LanguageModel>>(m, "CudaLanguageModel",
                                                            py::module_local())
      .def(py::init([](const py::dict& architecture, const TensorMap& tensors,
                       const py::bytes& fingerprint, const c10::Device& device) {
             const Architecture shape = architecture_of(architecture);
             const Fingerprint digest = fingerprint_of(fingerprint);
             py::gil_scoped_release release;
             return std::make_unique<LanguageModel>(shape, tensors, digest, device);
           }),
           py::arg("architecture"), py::arg("tensors"), py::arg("fingerprint"), py::arg("device"))
      .def_property_readonly(
          "architecture",
          [](const LanguageModel& model) { return architecture_dict(model.architecture()); })
      .def_property_readonly(
          "fingerprint",
          [](const LanguageModel& model) { return fingerprint_text(model.fingerprint()); })
      .def_property_readonly("begin_token", &LanguageModel::begin_token)
      .def(
          "readout",
          [](const LanguageModel& model, const at::Tensor& tokens) {
            return model.readout(ints(tokens));
          },
          py::arg("tokens"), no_gil)
      .def("cache", &LanguageModel::cache, py::arg("lanes"), py::arg("capacity"), no_gil)
      .def("lanes", &LanguageModel::lanes, py::arg("capacity"), no_gil)
      .def(
          "lockstep",
          [](const LanguageModel& model, KeyValueCache& cache, const Matrix& readout) {
            return std::make_unique<Lockstep>(model, cache, readout);
          },
          py::arg("cache"), py::arg("readout"), py::keep_alive<0, 1>(), py::keep_alive<0, 2>(),
          py::keep_alive<0, 3>(), no_gil)
      .def("extend", &extend, py::arg("cache"), py::arg("tokens"), py::arg("readout"),
           py::arg("wanted") = std::vector<bool>(), no_gil);
}

}  // namespace lmgc::model::cuda
