#include "model/bind.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "hex.h"
#include "model/key_value_cache.h"
#include "model/language_model.h"
#include "model/readout.h"
#include "model/weights.h"
#include "torch_threads.h"

namespace py = pybind11;

namespace lmgc::model {
Architecture architecture_of(const py::dict& d) {
  const auto integer = [&d](const char* name) { return d[name].cast<std::int64_t>(); };
  const auto flag = [&d](const char* name) { return d.contains(name) && d[name].cast<bool>(); };
  return {.layers = integer("layers"),
          .width = integer("width"),
          .feed_forward = integer("feed_forward"),
          .heads = integer("heads"),
          .kv_heads = integer("kv_heads"),
          .head_width = integer("head_width"),
          .vocabulary = integer("vocabulary"),
          .context = integer("context"),
          .norm_epsilon = d["norm_epsilon"].cast<double>(),
          .layer_norm = flag("layer_norm"),
          .gelu = flag("gelu"),
          .learned_positions = flag("learned_positions"),
          .query_key_norm = flag("query_key_norm")};
}

py::dict architecture_dict(const Architecture& a) {
  py::dict d;
  d["layers"] = a.layers;
  d["width"] = a.width;
  d["feed_forward"] = a.feed_forward;
  d["heads"] = a.heads;
  d["kv_heads"] = a.kv_heads;
  d["head_width"] = a.head_width;
  d["vocabulary"] = a.vocabulary;
  d["context"] = a.context;
  d["norm_epsilon"] = a.norm_epsilon;
  d["layer_norm"] = a.layer_norm;
  d["gelu"] = a.gelu;
  d["learned_positions"] = a.learned_positions;
  d["query_key_norm"] = a.query_key_norm;
  return d;
}

Fingerprint fingerprint_of(const py::bytes& bytes) {
  const auto text = static_cast<std::string_view>(bytes);
  Fingerprint digest{};
  TORCH_CHECK_VALUE(text.size() == digest.size(), "lmgc::model: the fingerprint has ", text.size(),
                    " bytes, expected ", digest.size());
  std::ranges::copy(text, digest.begin());
  return digest;
}

std::string fingerprint_text(const Fingerprint& fingerprint) {
  return hex(std::as_bytes(std::span(fingerprint)));
}

std::span<const std::int32_t> ints(const at::Tensor& tensor) {
  TORCH_CHECK_VALUE(tensor.scalar_type() == at::kInt && tensor.is_contiguous() && tensor.is_cpu(),
                    "lmgc::model: expected a contiguous int32 tensor on the CPU, got ",
                    tensor.toString(), tensor.sizes());
  return {tensor.const_data_ptr<std::int32_t>(), static_cast<std::size_t>(tensor.numel())};
}

namespace {

std::unique_ptr<LanguageModel> construct(const py::dict& architecture, const TensorMap& tensors,
                                         const py::bytes& fingerprint) {
  const Fingerprint digest = fingerprint_of(fingerprint);
  const Architecture shape = architecture_of(architecture);
  const py::gil_scoped_release release;
  const TorchThreads threads;
  return std::make_unique<LanguageModel>(shape, tensors, digest);
}

at::Tensor extend(const LanguageModel& model, KeyValueCache& cache, const at::Tensor& tokens,
                  const Readout& readout, std::vector<bool> wanted) {
  TORCH_CHECK_VALUE(tokens.dim() == 2, "lmgc::model: tokens have ", tokens.dim(),
                    " dimensions, expected [lanes, steps]");
  const auto steps = static_cast<std::size_t>(tokens.size(1));
  if (wanted.empty()) wanted.assign(steps, true);
  TORCH_CHECK_VALUE(wanted.size() == steps, "lmgc::model: wanted has ", wanted.size(),
                    " entries, expected one for each of ", steps, " steps");
  const std::vector<std::uint8_t> flags(wanted.begin(), wanted.end());
  at::Tensor scores =
      at::empty({tokens.size(0), std::ranges::count(wanted, true), readout.tokens()}, at::kInt);
  model.extend(cache, ints(tokens), static_cast<std::size_t>(tokens.size(0)), flags, readout,
               {scores.mutable_data_ptr<std::int32_t>(), static_cast<std::size_t>(scores.numel())});
  return scores;
}

const Kernels& named_kernels(const std::string& name) {
  for (const Kernels* candidate : usable_kernels()) {
    if (candidate->name == name) return *candidate;
  }
  TORCH_CHECK_VALUE(false, "lmgc::model: no kernels named '", name, "' here");
}

/// left [M, K] times right [N, K], both int8 codes: int32 [M, N].
at::Tensor multiply(const at::Tensor& left, const at::Tensor& right, const std::string& path) {
  TORCH_CHECK_VALUE(left.dim() == 2 && right.dim() == 2 && left.size(1) == right.size(1) &&
                        left.scalar_type() == at::kChar && right.scalar_type() == at::kChar,
                    "lmgc::model: gemm_int8 takes int8 [M, K] and [N, K], got ", left.toString(),
                    left.sizes(), " and ", right.toString(), right.sizes());
  const Kernels& k = named_kernels(path);
  const Matrix matrix(right.contiguous(), at::ones({right.size(0)}));
  const at::Tensor padded =
      at::constant_pad_nd(left, {0, matrix.padded_depth() - left.size(1)}).contiguous();
  const at::Tensor prepared = at::empty({padded.numel() * k.prepared_bytes}, at::kByte);
  k.prepare(padded.const_data_ptr<std::int8_t>(), padded.numel(), prepared.mutable_data_ptr());
  at::Tensor out = at::empty({left.size(0), matrix.padded_columns()}, at::kInt);
  matrix.multiply(k, prepared.const_data_ptr(), left.size(0), out.mutable_data_ptr<std::int32_t>());
  return out.slice(1, 0, right.size(0)).contiguous();
}

}  // namespace

void bind(py::module_& m) {
  const py::call_guard<py::gil_scoped_release, TorchThreads> no_gil;
  py::class_<Readout, std::shared_ptr<Readout>>(m, "Readout");
  py::class_<KeyValueCache>(m, "KeyValueCache")
      .def_property_readonly("lanes", &KeyValueCache::lanes)
      .def_property_readonly("length", &KeyValueCache::length)
      .def_property_readonly("capacity", &KeyValueCache::capacity);
  py::class_<LanguageModel, std::shared_ptr<LanguageModel>>(m, "LanguageModel")
      .def(py::init(&construct), py::arg("architecture"), py::arg("tensors"),
           py::arg("fingerprint"))
      .def_property_readonly(
          "architecture",
          [](const LanguageModel& model) { return architecture_dict(model.architecture()); })
      .def_property_readonly(
          "fingerprint",
          [](const LanguageModel& model) { return fingerprint_text(model.fingerprint()); })
      .def_property_readonly("begin_token", &LanguageModel::begin_token)
      .def_property_readonly("byte_tokens",
                             [](const LanguageModel& model) {
                               const auto tokens = model.byte_tokens();
                               return std::vector<std::int32_t>(tokens.begin(), tokens.end());
                             })
      .def_property_readonly(
          "context", [](const LanguageModel& model) { return model.architecture().context; })
      .def(
          "readout",
          [](const LanguageModel& model, const at::Tensor& tokens) {
            return std::const_pointer_cast<Readout>(model.readout(ints(tokens)));
          },
          py::arg("tokens"), no_gil)
      .def("cache", &LanguageModel::cache, py::arg("lanes"), py::arg("capacity"), no_gil)
      .def("extend", &extend, py::arg("cache"), py::arg("tokens"), py::arg("readout"),
           py::arg("wanted") = std::vector<bool>(), no_gil);
  m.def("gemm_paths", [] {
    std::vector<std::string> names;
    for (const Kernels* usable : usable_kernels()) names.emplace_back(usable->name);
    return names;
  });
  m.def("gemm_path", [] { return std::string(kernels().name); });
  m.def("set_gemm_path", [](const std::string& name) { use_kernels(name); }, py::arg("name"));
  m.def("gemm_int8", &multiply, py::arg("left"), py::arg("right"), py::arg("path"), no_gil);
}

}  // namespace lmgc::model
