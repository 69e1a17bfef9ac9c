#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "model/cuda/language_model.h"
#include "prior/prior.h"
#include "prior/text_tokens.h"

namespace lmgc::prior {

/// LanguageModelPrior on a CUDA device, with the same numbers: tables go to pinned host memory.
/// Throws std::bad_alloc where the device has no room for so many chunks.
class CudaLanguageModelPrior final : public Prior {
 public:
  CudaLanguageModelPrior(std::shared_ptr<const model::cuda::LanguageModel> model,
                         const serialize::TextFormat& format, std::size_t window,
                         std::function<void()> checkpoint);

  [[nodiscard]] std::size_t alphabet() const override { return text_.symbols.size(); }
  void start(std::size_t chunks) override;
  [[nodiscard]] std::span<const std::uint32_t> cumulative_frequencies() override;
  void update(std::span<const std::uint16_t> symbols) override;
  [[nodiscard]] std::vector<Interval> intervals(std::span<const std::uint16_t> symbols,
                                                std::size_t run) override;

 private:
  std::shared_ptr<const model::cuda::LanguageModel> model_;
  std::size_t window_;
  TextTokens text_;
  model::cuda::Matrix readout_;
  std::function<void()> checkpoint_;

  std::unique_ptr<model::cuda::KeyValueCache> cache_;
  PendingTokens pending_;
  at::Tensor cumulative_;  // [chunks, alphabet + 1], int32, pinned
};

}  // namespace lmgc::prior
