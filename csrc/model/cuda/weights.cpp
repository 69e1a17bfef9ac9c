#include "model/cuda/weights.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include <string>

#include "model/cuda/device.h"
#include "model/kernels.h"
#include "model/weights.h"

namespace lmgc::model::cuda {
namespace {

/// Zeros past the given numbers.
at::Tensor padded(const at::Tensor& tensor, std::int64_t size) {
  return at::constant_pad_nd(tensor, {0, size - tensor.size(0)});
}

/// Halves of `tensor`'s rows by turns of kGateRun.
at::Tensor by_turns(const at::Tensor& tensor) {
  std::vector<at::Tensor> halves;
  for (const at::Tensor& half : tensor.chunk(2, 0)) {
    std::vector<std::int64_t> padding(static_cast<std::size_t>(2 * half.dim()));
    padding.back() = round_up(half.size(0), kGateRun) - half.size(0);
    halves.push_back(at::constant_pad_nd(half, padding).unflatten(0, {-1, kGateRun}));
  }
  return at::stack(halves, 1).flatten(0, 2);
}

/// Rows [of kColumnRun, of kDepthUnit codes each] as Right has them.
at::Tensor in_bricks(const at::Tensor& codes) {
  constexpr std::int64_t kPieces = kDepthUnit / kPieceBytes;
  std::vector<std::int64_t> columns, pieces;
  for (std::int64_t row = 0; row < kColumnRun; ++row) columns.push_back(column_at(row));
  for (std::int64_t row = 0; row < kBrickRows; ++row) {
    for (std::int64_t piece = 0; piece < kPieces; ++piece) {
      pieces.push_back(row * kPieces + turned(row, piece));
    }
  }
  const auto index = [&](const std::vector<std::int64_t>& of) {
    return at::tensor(of, at::kLong).to(codes.device());
  };
  return codes.unflatten(0, {-1, kColumnRun})
      .index_select(1, index(columns))
      .reshape({-1, kBrickRows, codes.size(1) / kDepthUnit, kPieces, kPieceBytes})
      .transpose(1, 2)
      .flatten(2, 3)
      .index_select(2, index(pieces))
      .contiguous();
}

/// Reads tensors to the device.
class DeviceReader {
 public:
  DeviceReader(const Architecture& a, const TensorReader& reader, c10::Device device)
      : a_(a), reader_(reader), device_(device) {}

  [[nodiscard]] at::Tensor tensor(const std::string& name, at::ScalarType dtype,
                                  at::IntArrayRef shape) const {
    return reader_.tensor(name, dtype, shape).to(device_);
  }

  [[nodiscard]] at::Tensor floats_if(bool present, const std::string& name,
                                     at::IntArrayRef shape) const {
    return present ? tensor(name, at::kFloat, shape) : at::Tensor();
  }

  [[nodiscard]] NormTensors norm(const std::string& name) const {
    const std::int64_t size = round_up(a_.width, 4);
    const auto of = [&](const std::string& full) {
      return padded(tensor(full, at::kFloat, {a_.width}), size);
    };
    return {of(name), a_.layer_norm ? of(name + ".bias") : at::Tensor()};
  }

  [[nodiscard]] Matrix matrix(const std::string& name, std::int64_t columns, std::int64_t depth,
                              bool has_gates = false) const {
    const auto of = [&](const char* part, at::ScalarType dtype, at::IntArrayRef shape) {
      const at::Tensor read = tensor(name + part, dtype, shape);
      return has_gates ? by_turns(read) : read;
    };
    return cuda::matrix(
        of(".codes", at::kChar, {columns, depth}), of(".scales", at::kFloat, {columns}),
        reader_.has(name + ".bias") ? of(".bias", at::kFloat, {columns}) : at::Tensor());
  }

  [[nodiscard]] Layer layer(const std::string& name) const {
    const std::int64_t heads = (a_.heads + 2 * a_.kv_heads) * a_.head_width;
    return {.attention_norm = norm(name + "attention_norm"),
            .feed_forward_norm = norm(name + "feed_forward_norm"),
            .query_norm = floats_if(a_.query_key_norm, name + "query_norm", {a_.head_width}),
            .key_norm = floats_if(a_.query_key_norm, name + "key_norm", {a_.head_width}),
            .query_key_value = matrix(name + "query_key_value", heads, a_.width),
            .output = matrix(name + "output", a_.width, a_.heads * a_.head_width),
            .gate_up = matrix(name + "gate_up", inner_columns(a_), a_.width, !a_.gelu),
            .down = matrix(name + "down", a_.width, a_.feed_forward)};
  }

 private:
  const Architecture& a_;
  const TensorReader& reader_;
  c10::Device device_;
};

}  // namespace

Right Matrix::right() const {
  return {codes.const_data_ptr<std::int8_t>(), scales.const_data_ptr<float>(),
          pointer<float>(biases), columns, depth};
}

Matrix matrix(const at::Tensor& codes, const at::Tensor& scales, const at::Tensor& biases) {
  const std::int64_t columns = codes.size(0), rows = round_up(columns, kColumnUnit);
  const std::int64_t depth = round_up(codes.size(1), kDepthUnit);
  return {in_bricks(at::constant_pad_nd(codes, {0, depth - codes.size(1), 0, rows - columns})),
          padded(scales, rows), biases.defined() ? padded(biases, rows) : at::Tensor(), columns,
          depth};
}

Weights::Weights(const Architecture& a, const TensorMap& tensors, c10::Device device) {
  check(a);
  TORCH_CHECK_VALUE(a.head_width <= kHeadLimit, "lmgc::model: head_width is ", a.head_width,
                    ", CUDA kernels take at most ", kHeadLimit, "; use device='cpu'");
  const TensorReader reader(tensors);
  const DeviceReader here(a, reader, device);
  embedding_codes = here.tensor("embedding.codes", at::kChar, {a.vocabulary, a.width});
  embedding_scales = here.tensor("embedding.scales", at::kFloat, {a.vocabulary});
  const bool tied = !reader.has("head.codes");
  head_codes =
      tied ? embedding_codes : here.tensor("head.codes", at::kChar, {a.vocabulary, a.width});
  head_scales = tied ? embedding_scales : here.tensor("head.scales", at::kFloat, {a.vocabulary});
  const bool learned = a.learned_positions;
  positions = here.floats_if(learned, "positions", {a.context, a.width});
  cosines = here.floats_if(!learned, "rope.cosines", {a.context, a.head_width / 2});
  sines = here.floats_if(!learned, "rope.sines", {a.context, a.head_width / 2});
  norm = here.norm("norm");
  begin_token = reader.tokens("begin_token", 1, a.vocabulary).front();
  byte_tokens = reader.byte_tokens(a.vocabulary);
  for (std::int64_t i = 0; i < a.layers; ++i) {
    layers.push_back(here.layer("layers." + std::to_string(i) + "."));
  }
  const c10::DeviceGuard guard(device);
  wait_for_stream();  // others will read it by streams of their own
}

}  // namespace lmgc::model::cuda
