#include <array>

#include "block.h"
#include "codec/mixture_representation.h"
#include "codec/text_representation.h"
#include "memory.h"
#include "model/cuda/bind.h"
#include "model/cuda/device.h"
#include "model/cuda/graph.h"
#include "prior/cuda_language_model_prior.h"
#include "quotient.h"

/// The model of csrc/model/cuda, and its prior, where "device" is the host.
namespace lmgc::model::cuda {

void* current_stream() { return nullptr; }
/// Few, so that a call takes several passes.
std::int64_t pass_rows() { return 64; }
Moment::Moment() : event_(nullptr) {}
Moment::~Moment() = default;
void Moment::wait() const {}
void wait_for_stream() {}
void check_launches() {}
at::TensorOptions pinned() { return {}; }
std::int64_t free_bytes(c10::Device) { return std::int64_t{1} << 30; }
/// Few, so that a block takes several tiles of rows.
std::int64_t multiprocessors() { return 4; }
bool is_hopper = false;
bool has_warpgroup_products() { return is_hopper; }
/// Of a Hopper; or so few that attention keeps only what few keys need.
std::int64_t shared_bytes() { return is_hopper ? 227 << 10 : 8 << 10; }

/// Kernels with the arguments that they were recorded with.
using Recorded = std::vector<std::function<void()>>;
Graph::Graph(const std::function<void(void*)>& enqueue) {
  auto recorded = std::make_unique<Recorded>();
  const struct Recording {
    explicit Recording(Recorded* to) { cuda_on_host::recording = to; }
    ~Recording() { cuda_on_host::recording = nullptr; }
  } recording(recorded.get());
  enqueue(nullptr);
  kernels_ = recorded.release();
}
Graph::~Graph() { delete static_cast<Recorded*>(kernels_); }
void Graph::launch(void*) const {
  for (const auto& kernel : *static_cast<const Recorded*>(kernels_)) kernel();
}

}  // namespace lmgc::model::cuda

namespace {

namespace py = pybind11;
using lmgc::codec::Representation;
using lmgc::serialize::DType;

/// Preset `paper` of float32 values.
class Paper {
 public:
  Paper(const std::shared_ptr<lmgc::model::cuda::LanguageModel>& model, std::uint8_t serialization,
        std::size_t window, bool mixture, std::size_t lanes) {
    using lmgc::serialize::ByteOrder, lmgc::serialize::Serialization;
    const lmgc::codec::TextHead head{
        {static_cast<Serialization>(serialization), 4, ByteOrder::kLittle},
        window,
        model->fingerprint()};
    const auto context = static_cast<std::size_t>(model->architecture().context);
    const auto prior = [model](const lmgc::serialize::TextFormat& format, std::size_t tokens) {
      return std::make_unique<lmgc::prior::CudaLanguageModelPrior>(model, format, tokens, [] {});
    };
    if (mixture) {
      representation_ = std::make_unique<lmgc::codec::MixtureRepresentation>(head, context, prior);
    } else {
      representation_ =
          std::make_unique<lmgc::codec::TextRepresentation>(head, context, lanes, prior);
    }
  }

  /// A payload's body.
  [[nodiscard]] py::bytes encode(const std::string& values) const {
    std::string body;
    for (const auto& part : representation_->encode(
             DType::kFloat32, std::as_bytes(std::span(values)), std::array{whole(values)})) {
      body.append(reinterpret_cast<const char*>(part.data()), part.size());
    }
    return body;
  }

  [[nodiscard]] py::bytes decode(const std::string& body, std::size_t bytes) const {
    std::string values(bytes, 0);
    representation_->decode(DType::kFloat32, std::as_bytes(std::span(body)),
                            std::array{whole(values)}, std::as_writable_bytes(std::span(values)));
    return values;
  }

 private:
  [[nodiscard]] static lmgc::codec::Parameter whole(const std::string& values) {
    return {{static_cast<std::int64_t>(values.size() / sizeof(float))}, nullptr};
  }

  std::unique_ptr<Representation> representation_;
};

}  // namespace

PYBIND11_MODULE(_cuda_on_host, module) {
  lmgc::model::cuda::bind(module);
  py::class_<Paper>(module, "Paper")
      .def(py::init<const std::shared_ptr<lmgc::model::cuda::LanguageModel>&, std::uint8_t,
                    std::size_t, bool, std::size_t>(),
           py::arg("model"), py::arg("serialization"), py::arg("window"), py::arg("mixture"),
           py::arg("lanes"))
      .def("encode", &Paper::encode, py::arg("values"))
      .def("decode", &Paper::decode, py::arg("body"), py::arg("bytes"));
  module.def("guard_tensors", &lmgc::cuda_on_host::guard_tensors);
  module.def("wrong_quotients", &lmgc::cuda_on_host::wrong_quotients,
             pybind11::call_guard<pybind11::gil_scoped_release>());
  module.def("be_hopper", [](bool hopper) { lmgc::model::cuda::is_hopper = hopper; });
}
