#include "codec/bind.h"

#include <algorithm>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "codec/codec.h"
#include "codec/mixture_representation.h"
#include "codec/observe.h"
#include "codec/payload_error.h"
#include "codec/shards.h"
#include "codec/structure_representation.h"
#include "codec/text_representation.h"
#include "predict/history.h"
#include "prior/language_model_prior.h"
#ifdef LMGC_CUDA
#include "prior/cuda_language_model_prior.h"
#endif
#include "serialize/text_format.h"
#include "torch_threads.h"

namespace py = pybind11;

namespace lmgc::codec {
namespace {

void bind_payload_error(py::module_& module) {
  static py::handle type;
  type = py::exception<PayloadError>(module, "PayloadError", PyExc_ValueError).release();
  py::register_exception_translator([](std::exception_ptr pointer) {
    try {
      std::rethrow_exception(pointer);
    } catch (const PayloadError& error) {
      py::object instance = type(error.what());
      instance.attr("kind") = std::string(kind_name(error.kind()));
      PyErr_SetObject(type.ptr(), instance.ptr());
    }
  });
}

/// Chunks of a window's length that go through a model on the CPU in lockstep: as many as share the
/// cost of reading the weights, within a cache of about 0.8 GB with a model of 135 million
/// parameters.
std::size_t lanes_of(std::size_t window) {
  constexpr std::size_t kMostLanes = 256, kMostTokens = 65536;
  return std::clamp(kMostTokens / std::max(window, std::size_t{1}), std::size_t{1}, kMostLanes);
}

using Computing = py::call_guard<py::gil_scoped_release, TorchThreads>;

/// Ctrl-C ends a long call, on the thread that hears of it.
void raise_signals() {
  static const std::thread::id importing = std::this_thread::get_id();
  if (std::this_thread::get_id() != importing) return;
  const py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

/// The text and its windows as Python says them.
struct Text {
  std::uint8_t serialization, bytes_per_group, byte_order;
  std::size_t window;
};

/// `Prior`: a prior from a `Model`, a text format and a window.
template <typename Prior, typename Model>
std::shared_ptr<Codec> paper(std::shared_ptr<Model> model, std::size_t lanes, const Text& text,
                             bool mixture) {
  const TextHead head{{static_cast<serialize::Serialization>(text.serialization),
                       text.bytes_per_group, static_cast<serialize::ByteOrder>(text.byte_order)},
                      text.window,
                      model->fingerprint()};
  const auto context = static_cast<std::size_t>(model->architecture().context);
  const auto prior = [model](const serialize::TextFormat& format, std::size_t window) {
    return std::make_unique<Prior>(model, format, window, raise_signals);
  };
  if (mixture) {
    return std::make_shared<Codec>(std::make_shared<MixtureRepresentation>(head, context, prior));
  }
  return std::make_shared<Codec>(std::make_shared<TextRepresentation>(head, context, lanes, prior));
}

std::shared_ptr<Codec> paper_on_host(std::shared_ptr<model::LanguageModel> model,
                                     std::uint8_t serialization, std::uint8_t bytes_per_group,
                                     std::uint8_t byte_order, std::size_t window, bool mixture) {
  return paper<prior::LanguageModelPrior>(std::move(model), lanes_of(window),
                                          {serialization, bytes_per_group, byte_order, window},
                                          mixture);
}

#ifdef LMGC_CUDA
std::shared_ptr<Codec> paper_on_cuda(std::shared_ptr<model::cuda::LanguageModel> model,
                                     std::uint8_t serialization, std::uint8_t bytes_per_group,
                                     std::uint8_t byte_order, std::size_t window, bool mixture) {
  const auto lanes = static_cast<std::size_t>(model->lanes(static_cast<std::int64_t>(window)));
  return paper<prior::CudaLanguageModelPrior>(
      std::move(model), lanes, {serialization, bytes_per_group, byte_order, window}, mixture);
}
#endif

}  // namespace

void bind(py::module_& module) {
  raise_signals();  // remembers this thread
  bind_payload_error(module);
  py::class_<Parameter>(module, "Parameter")
      .def(py::init([](std::vector<std::int64_t> shape, std::shared_ptr<predict::History> history) {
             return Parameter{std::move(shape), std::move(history)};
           }),
           py::arg("shape"), py::arg("history") = nullptr);
  py::class_<Staged>(module, "Staged")
      .def_readonly("values", &Staged::values)
      .def_readonly("integers", &Staged::integers)
      .def_readonly("steps", &Staged::steps)
      .def_readonly("kept", &Staged::kept);
  py::class_<Codec, std::shared_ptr<Codec>> codec(module, "Codec");
#ifdef LMGC_CUDA
  codec.def_static("paper", &paper_on_cuda, py::arg("model"), py::arg("serialization"),
                   py::arg("bytes_per_group"), py::arg("byte_order"), py::arg("window"),
                   py::arg("mixture") = false);
#endif
  codec
      .def_static(
          "structure",
          [](bool rows_above, bool own_rows) {
            return std::make_shared<Codec>(
                std::make_shared<StructureRepresentation>(rows_above, own_rows));
          },
          py::arg("rows_above") = false, py::arg("own_rows") = false)
      .def_static("paper", &paper_on_host, py::arg("model"), py::arg("serialization"),
                  py::arg("bytes_per_group"), py::arg("byte_order"), py::arg("window"),
                  py::arg("mixture") = false)
      .def_static(
          "experts",
          [](std::uint8_t byte_order) {
            return std::make_shared<Codec>(std::make_shared<MixtureRepresentation>(
                static_cast<serialize::ByteOrder>(byte_order), raise_signals));
          },
          py::arg("byte_order"))
      .def(
          "encode",
          [](const Codec& codec, const at::Tensor& gradient,
             const std::vector<Parameter>& parameters,
             bool raw_fallback) { return codec.encode(gradient, parameters, raw_fallback); },
          py::arg("gradient"), py::arg("parameters") = std::vector<Parameter>{},
          py::arg("raw_fallback") = true, Computing())
      .def(
          "encode_staged",
          [](const Codec& codec, const Staged& staged, const std::vector<Parameter>& parameters) {
            return codec.encode_staged(staged, parameters);
          },
          py::arg("staged"), py::arg("parameters") = std::vector<Parameter>{}, Computing())
      .def(
          "decode",
          [](const Codec& codec, const at::Tensor& payload,
             const std::vector<Parameter>& parameters) {
            return codec.decode(payload, parameters);
          },
          py::arg("payload"), py::arg("parameters") = std::vector<Parameter>{}, Computing())
      .def(
          "decode_into",
          [](const Codec& codec, const at::Tensor& payload, at::Tensor gradient,
             const std::vector<Parameter>& parameters) {
            codec.decode_into(payload, parameters, gradient);
          },
          py::arg("payload"), py::arg("gradient"), py::arg("parameters") = std::vector<Parameter>{},
          Computing())
      .def(
          "bytes_of_parameters",
          [](const Codec& codec, const at::Tensor& payload,
             const std::vector<Parameter>& parameters) {
            return codec.bytes_of_parameters(payload, parameters);
          },
          py::arg("payload"), py::arg("parameters"));
  py::class_<Shard>(module, "Shard")
      .def_readonly("parameters", &Shard::parameters)
      .def_readonly("tiles", &Shard::tiles)
      .def_readonly("values", &Shard::values)
      .def("gather", &Shard::gather, py::arg("tensor"))
      .def(
          "scatter",
          [](const Shard& shard, const at::Tensor& part, at::Tensor tensor) {
            shard.scatter(part, tensor);
          },
          py::arg("part"), py::arg("tensor"));
  module.def(
      "cut",
      [](const std::vector<Parameter>& parameters, const std::vector<std::int64_t>& weights,
         std::vector<std::int64_t> rooms, std::int64_t slack) {
        const std::size_t tiles = values_of_tiles(parameters).size();
        TORCH_CHECK_VALUE(weights.size() == tiles, "lmgc cut: ", weights.size(), " weights for ",
                          tiles, " tiles");
        return cut(parameters, weights, std::move(rooms), slack);
      },
      py::arg("parameters"), py::arg("weights"), py::arg("rooms"), py::arg("slack"));
  module.def(
      "values_of_tiles",
      [](const std::vector<Parameter>& parameters) { return values_of_tiles(parameters); },
      py::arg("parameters"));
  module.def(
      "observe",
      [](const at::Tensor& average, const std::vector<Parameter>& parameters) {
        observe(average, parameters);
      },
      py::arg("average"), py::arg("parameters"), Computing());
  py::list serializations;
  for (const auto name : serialize::kSerializationNames) serializations.append(std::string(name));
  module.attr("SERIALIZATIONS") = serializations;
  module.def("lanes", &lanes_of, py::arg("window"));
}

}  // namespace lmgc::codec
