#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "model/language_model.h"
#include "prior/prior.h"
#include "prior/text_tokens.h"

namespace lmgc::prior {

/// Prior of text symbols: a language model's softmax over the tokens that can follow (the symbols'
/// characters alone; LM-GC, section 3.1). Separators are fed to the model and cost nothing.
class LanguageModelPrior final : public Prior {
 public:
  /// `window`: tokens a chunk, with the one that opens it. `checkpoint` is called between passes
  /// through the model; what it throws ends the call.
  LanguageModelPrior(std::shared_ptr<const model::LanguageModel> model,
                     const serialize::TextFormat& format, std::size_t window,
                     std::function<void()> checkpoint);
  ~LanguageModelPrior() override;

  [[nodiscard]] std::size_t alphabet() const override { return text_.symbols.size(); }
  void start(std::size_t chunks) override;
  [[nodiscard]] std::span<const std::uint32_t> cumulative_frequencies() override;
  void update(std::span<const std::uint16_t> symbols) override;
  void intervals(std::span<const std::uint16_t> symbols, std::size_t run,
                 const TakeIntervals& take) override;
  [[nodiscard]] std::vector<std::uint16_t> shares_of_ones(std::span<const std::uint16_t> symbols,
                                                          std::size_t run) override;

 private:
  /// Calls work(first, chunk) for the symbols of each, with their scores in scores_.
  template <typename Work>
  void for_chunks(std::span<const std::uint16_t> symbols, std::size_t run, const Work& work);

  std::shared_ptr<const model::LanguageModel> model_;
  std::size_t window_;
  TextTokens text_;
  std::shared_ptr<const model::Readout> readout_;
  std::function<void()> checkpoint_;

  std::unique_ptr<model::KeyValueCache> cache_;
  PendingTokens pending_;
  std::vector<std::int32_t> scores_;       // [rows, alphabet]
  std::vector<std::uint32_t> cumulative_;  // [rows, alphabet + 1]
};

}  // namespace lmgc::prior
