#include "model/cuda/language_model.h"

#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>

#include "model/cuda/device.h"
#include "model/cuda/pass.h"
#include "model/kernels.h"

namespace lmgc::model::cuda {
namespace {

/// Contexts beyond which more make the device hardly faster.
constexpr std::int64_t kMostLanes = 32768;

/// Rows of the wanted steps, int32 on the device.
at::Tensor chosen_rows(std::span<const std::uint8_t> wanted, std::int64_t lanes,
                       c10::Device device) {
  const auto steps = static_cast<std::int64_t>(wanted.size());
  if (std::ranges::find_if(wanted, [](auto one) { return one != 0; }) == wanted.end() - 1) {
    return at::arange(steps - 1, lanes * steps, steps, at::TensorOptions(device).dtype(at::kInt));
  }
  const auto count = std::ranges::count_if(wanted, [](auto one) { return one != 0; });
  at::Tensor rows = at::empty({lanes * count}, pinned().dtype(at::kInt));
  auto* to = rows.mutable_data_ptr<std::int32_t>();
  std::int32_t row = 0;
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    for (const std::uint8_t is_wanted : wanted) {
      if (is_wanted != 0) *to++ = row;
      ++row;
    }
  }
  return rows.to(device, /*non_blocking=*/true);
}

}  // namespace

KeyValueCache::KeyValueCache(const Architecture& a, std::int64_t lanes, std::int64_t capacity,
                             c10::Device device)
    : lanes_(lanes), capacity_(capacity) {
  const std::int64_t room = round_up(capacity, kDepthUnit);
  const std::int64_t depth = round_up(a.head_width, kDepthUnit);
  const auto codes = at::TensorOptions(device).dtype(at::kChar);
  keys_ = at::empty({a.layers, lanes, a.kv_heads, room, depth}, codes);
  values_ = at::empty_like(keys_);
  key_scales_ = at::empty({a.layers, lanes, a.kv_heads, room}, codes.dtype(at::kFloat));
  value_scales_ = at::empty_like(key_scales_);
  if (depth != a.head_width) keys_.zero_();  // past head_width nobody writes
}

std::int64_t KeyValueCache::bytes(const Architecture& a, std::int64_t capacity) {
  const std::int64_t codes = 2 * round_up(a.head_width, kDepthUnit);
  return a.layers * a.kv_heads * round_up(capacity, kDepthUnit) *
         (codes + 2 * static_cast<std::int64_t>(sizeof(float)));
}

Context KeyValueCache::context(std::int64_t layer, std::int64_t first) const {
  const auto of = [&](const at::Tensor& tensor) {
    return tensor.select(0, layer).select(0, first);
  };
  return {of(keys_).mutable_data_ptr<std::int8_t>(), of(values_).mutable_data_ptr<std::int8_t>(),
          of(key_scales_).mutable_data_ptr<float>(), of(value_scales_).mutable_data_ptr<float>(),
          keys_.size(3)};
}

LanguageModel::LanguageModel(const Architecture& a, const TensorMap& tensors,
                             const Fingerprint& fingerprint, c10::Device device)
    : a_(a), fingerprint_(fingerprint), device_(device), weights_(a, tensors, device) {}

void LanguageModel::require_own_process() const {
  TORCH_CHECK(process_.is_this(),
              "lmgc::model: this process was forked from the one that loaded the model, and CUDA "
              "does not go along; start it by spawn, or use device='cpu'");
}

Matrix LanguageModel::readout(std::span<const std::int32_t> tokens) const {
  require_own_process();
  const c10::DeviceGuard guard(device_);
  const at::Tensor rows =
      at::tensor(at::ArrayRef<std::int32_t>(tokens.data(), tokens.size()), at::kInt).to(device_);
  Matrix readout =
      matrix(weights_.head_codes.index_select(0, rows), weights_.head_scales.index_select(0, rows));
  wait_for_stream();
  return readout;
}

std::unique_ptr<KeyValueCache> LanguageModel::cache(std::int64_t lanes,
                                                    std::int64_t capacity) const {
  require_own_process();
  TORCH_CHECK_VALUE(capacity > 0 && capacity <= a_.context, "lmgc::model: a cache of ", capacity,
                    " tokens; the model's context holds 1 to ", a_.context);
  return std::make_unique<KeyValueCache>(a_, lanes, capacity, device_);
}

std::int64_t LanguageModel::lanes(std::int64_t capacity) const {
  require_own_process();
  return std::clamp(free_bytes(device_) / 2 / KeyValueCache::bytes(a_, capacity), std::int64_t{1},
                    kMostLanes);
}

void LanguageModel::take_through(Pass& pass, const std::int32_t* tokens, const KeyValueCache& cache,
                                 std::int64_t lane, const Position& position) const {
  const Embedding embedding{weights_.embedding_codes.const_data_ptr<std::int8_t>(),
                            weights_.embedding_scales.const_data_ptr<float>(),
                            pointer<float>(weights_.positions), a_.width};
  pass.embed(tokens, embedding, position);
  for (std::int64_t layer = 0; layer < a_.layers; ++layer) {
    pass.run(weights_.layers[static_cast<std::size_t>(layer)], cache.context(layer, lane), position,
             pointer<float>(weights_.cosines), pointer<float>(weights_.sines));
  }
}

at::Tensor LanguageModel::extend(KeyValueCache& cache, const at::Tensor& tokens,
                                 std::span<const std::uint8_t> wanted,
                                 const Matrix& readout) const {
  require_own_process();
  TORCH_CHECK_VALUE(tokens.dim() == 2 && tokens.scalar_type() == at::kInt &&
                        tokens.device() == device_ && tokens.is_contiguous() &&
                        tokens.size(1) == static_cast<std::int64_t>(wanted.size()),
                    "lmgc::model: tokens are contiguous int32 [lanes, steps] on ", device_,
                    ", got ", tokens.toString(), tokens.sizes(), " for ", wanted.size(), " steps");
  const std::int64_t lanes = tokens.size(0), steps = tokens.size(1);
  TORCH_CHECK_VALUE(lanes <= cache.lanes() && steps <= cache.capacity() - cache.length(),
                    "lmgc::model: ", lanes, " lanes of ", steps, " tokens more; the cache has ",
                    cache.lanes(), " of ", cache.length(), " with room for ", cache.capacity());
  const c10::DeviceGuard guard(device_);
  const auto count =
      static_cast<std::int64_t>(std::ranges::count_if(wanted, [](auto one) { return one != 0; }));
  at::Tensor scores = at::empty({lanes, count, readout.columns}, tokens.options());
  if (lanes == 0 || steps == 0) return scores;

  const std::int64_t pass_lanes = std::clamp(pass_rows() / steps, std::int64_t{1}, lanes);
  const at::Tensor chosen =
      count == steps ? at::Tensor() : chosen_rows(wanted, pass_lanes, device_);
  for (std::int64_t lane = 0; lane < lanes; lane += pass_lanes) {
    const std::int64_t lanes_now = std::min(pass_lanes, lanes - lane);
    Pass pass(a_, device_, lanes_now, steps);
    pass.on(current_stream());
    take_through(pass, tokens.const_data_ptr<std::int32_t>() + lane * steps, cache, lane,
                 {cache.length()});
    if (count > 0) {
      pass.read(chosen, lanes_now * count, weights_.norm, readout,
                scores.mutable_data_ptr<std::int32_t>() + lane * count * readout.columns);
    }
    check_launches();
  }
  cache.lanes_ = lanes;
  cache.length_ += steps;
  return scores;
}

}  // namespace lmgc::model::cuda
