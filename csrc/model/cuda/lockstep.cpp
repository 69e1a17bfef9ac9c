#include "model/cuda/lockstep.h"

#include <ATen/Functions.h>
#include <c10/core/DeviceGuard.h>

#include "model/cuda/device.h"
#include "model/kernels.h"

namespace lmgc::model::cuda {

Lockstep::Lockstep(const LanguageModel& model, KeyValueCache& cache, const Matrix& readout)
    : model_(model),
      cache_(cache),
      readout_(readout),
      pass_(model.architecture(), model.device(), cache.lanes(), 1) {
  model.require_own_process();
  const auto ints = at::TensorOptions(model.device()).dtype(at::kInt);
  tokens_ = at::zeros({cache.lanes(), 1}, ints);
  scores_ = at::empty({cache.lanes(), readout.columns}, ints);
  position_ = at::empty({1}, ints);
}

const at::Tensor& Lockstep::step() {
  TORCH_CHECK_VALUE(cache_.lanes() == tokens_.size(0) && cache_.length() < cache_.capacity(),
                    "lmgc::model: a step of ", tokens_.size(0), " lanes; the cache has ",
                    cache_.lanes(), " of ", cache_.length(), " tokens with room for ",
                    cache_.capacity());
  const c10::DeviceGuard guard(model_.device());
  position_.fill_(cache_.length());
  // Kernels find their position on the device; what launches depend on is the tiles of keys.
  const std::int64_t most = round_up(cache_.length() + 1, kDepthUnit) - 1;
  if (most != most_) {
    graph_ = std::make_unique<Graph>([this, most](void* stream) {
      pass_.on(stream);
      model_.take_through(pass_, tokens_.const_data_ptr<std::int32_t>(), cache_, 0,
                          {most, position_.const_data_ptr<std::int32_t>()});
      pass_.read({}, cache_.lanes(), model_.weights_.norm, readout_,
                 scores_.mutable_data_ptr<std::int32_t>());
      check_launches();
    });
    most_ = most;
  }
  graph_->launch(current_stream());
  ++cache_.length_;
  return scores_;
}

}  // namespace lmgc::model::cuda
