#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "model/cuda/device.h"
#include "model/cuda/language_model.h"
#include "model/cuda/lockstep.h"
#include "prior/prior.h"
#include "prior/text_tokens.h"

namespace lmgc::prior {

/// LanguageModelPrior on a CUDA device, with the same numbers. Tables go to pinned host memory;
/// decode() needs none, since the device decodes too, and the host only keeps it busy. Throws
/// std::bad_alloc where the device has no room for so many chunks.
class CudaLanguageModelPrior final : public Prior {
 public:
  CudaLanguageModelPrior(std::shared_ptr<const model::cuda::LanguageModel> model,
                         const serialize::TextFormat& format, std::size_t window,
                         std::function<void()> checkpoint);

  [[nodiscard]] std::size_t alphabet() const override { return text_.symbols.size(); }
  void start(std::size_t chunks) override;
  [[nodiscard]] std::span<const std::uint32_t> cumulative_frequencies() override;
  void update(std::span<const std::uint16_t> symbols) override;
  void intervals(std::span<const std::uint16_t> symbols, std::size_t run,
                 const TakeIntervals& take) override;
  void decode(std::span<const std::span<const std::byte>> chunks, std::size_t run,
              std::span<std::uint16_t> symbols) override;
  [[nodiscard]] std::vector<std::uint16_t> shares_of_ones(std::span<const std::uint16_t> symbols,
                                                          std::size_t run) override;

 private:
  /// Intervals on their way to the host.
  struct Coming {
    std::size_t first;  ///< their first chunk
    at::Tensor intervals;
    model::cuda::Moment arrival;
  };

  /// That go through the model in so many passes.
  [[nodiscard]] std::size_t chunks_of_passes(std::size_t passes) const;
  /// [chunks, alphabet], after `tokens` [chunks, steps], which follow what the first chunks have
  /// had; until the next call.
  [[nodiscard]] at::Tensor scores_after(const at::Tensor& tokens);
  /// Of all `symbols` of chunks of `run`, by the symbols before them: [symbols, alphabet].
  [[nodiscard]] at::Tensor scores_of(std::span<const std::uint16_t> symbols, std::size_t run) const;
  /// Those of `symbols` of chunks of `run`, from chunk `first` on.
  [[nodiscard]] std::unique_ptr<Coming> enqueue_intervals(std::span<const std::uint16_t> symbols,
                                                          std::size_t run, std::size_t first) const;
  /// Tables of scores [rows, alphabet], in host memory, which the device has written.
  [[nodiscard]] at::Tensor tables_of(const at::Tensor& scores) const;

  std::shared_ptr<const model::cuda::LanguageModel> model_;
  std::size_t window_;
  TextTokens text_;
  model::cuda::Matrix readout_;
  std::function<void()> checkpoint_;

  std::unique_ptr<model::cuda::KeyValueCache> cache_;
  std::unique_ptr<model::cuda::Lockstep> lockstep_;  // of the cache's lanes
  PendingTokens pending_;
  at::Tensor cumulative_;  // [chunks, alphabet + 1], int32, pinned
};

}  // namespace lmgc::prior
