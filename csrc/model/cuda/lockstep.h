#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "model/cuda/graph.h"
#include "model/cuda/language_model.h"
#include "model/cuda/pass.h"

namespace lmgc::model::cuda {

/// Takes all lanes of a cache on by a token at a time, as LanguageModel::extend does, to the bit,
/// with less to do for the host: the device starts the kernels of a step as one.
class Lockstep {
 public:
  /// All must outlive it.
  Lockstep(const LanguageModel& model, KeyValueCache& cache, const Matrix& readout);

  [[nodiscard]] const LanguageModel& model() const { return model_; }
  /// The lanes' next tokens [lanes, 1], int32 within the vocabulary: written before a step, by the
  /// caller's current stream.
  [[nodiscard]] const at::Tensor& tokens() const { return tokens_; }
  /// Scores after them, int32 [lanes, readout tokens], enqueued; the same tensor each time. Throws
  /// c10::ValueError where the cache is full or has dropped lanes.
  const at::Tensor& step();

 private:
  const LanguageModel& model_;
  KeyValueCache& cache_;
  const Matrix& readout_;
  Pass pass_;
  at::Tensor tokens_, scores_;
  at::Tensor position_;           // [1], int32
  std::int64_t most_ = -1;        // of the graph's positions
  std::unique_ptr<Graph> graph_;  // null: none yet
};

}  // namespace lmgc::model::cuda
