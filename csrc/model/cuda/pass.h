#pragma once

#include <ATen/core/Tensor.h>

#include "model/cuda/launch.h"
#include "model/cuda/weights.h"
#include "model/language_model.h"

namespace lmgc::model::cuda {

/// Buffers of `lanes` x `steps` tokens that go through the layers together, and the steps of it. A
/// row is a token of a lane.
class Pass {
 public:
  Pass(const Architecture& architecture, c10::Device device, std::int64_t lanes,
       std::int64_t steps);

  /// What follows is enqueued on `stream`, a cudaStream_t.
  void on(void* stream) { stream_ = stream; }

  void embed(const std::int32_t* tokens, const Embedding& embedding, const Position& position);
  /// Takes all rows through a layer; keys and values go to `context`, which has tokens up to
  /// `position`. `cosines` and `sines` are null where heads are not rotated.
  void run(const Layer& layer, const Context& context, const Position& position,
           const float* cosines, const float* sines);
  /// Scores after the first `count` of the `chosen` rows, int32; of all, if undefined.
  void read(const at::Tensor& chosen, std::int64_t count, const NormTensors& norm,
            const Matrix& readout, std::int32_t* scores);

 private:
  [[nodiscard]] Floats residual() const;
  [[nodiscard]] CodeRows codes(std::int64_t width) const;
  [[nodiscard]] Left left(std::int64_t rows) const;
  /// Of rows of the residual stream, as read's.
  void normalize(const at::Tensor& chosen, std::int64_t count, const NormTensors& norm);

  const Architecture& a_;
  std::int64_t lanes_, steps_, rows_, head_depth_;
  void* stream_ = nullptr;
  at::Tensor residual_;     ///< [rows, width], strides rounded up to 4, as is the next
  at::Tensor wide_;         ///< [rows, the widest of what lies between two products]
  at::Tensor codes_;        ///< of a left side
  at::Tensor code_scales_;  ///< [rows]
  at::Tensor queries_, query_scales_;
};

}  // namespace lmgc::model::cuda
