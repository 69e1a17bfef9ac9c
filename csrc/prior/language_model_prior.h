#pragma once

#include <memory>
#include <vector>

#include "model/language_model.h"
#include "prior/prior.h"
#include "serialize/text_format.h"

namespace lmgc::prior {

/// Prior of text symbols: a language model's softmax over the tokens that can follow (the symbols'
/// characters alone; LM-GC, section 3.1). Separators are fed to the model and cost nothing.
class LanguageModelPrior final : public Prior {
 public:
  /// `window`: tokens a chunk, with the one that opens it.
  LanguageModelPrior(std::shared_ptr<const model::LanguageModel> model,
                     const serialize::TextFormat& format, std::size_t window);
  ~LanguageModelPrior() override;

  [[nodiscard]] std::size_t alphabet() const override { return symbol_tokens_.size(); }
  void start(std::size_t chunks) override;
  [[nodiscard]] std::span<const std::uint32_t> cumulative_frequencies() override;
  void update(std::span<const std::uint16_t> symbols) override;
  [[nodiscard]] std::vector<Interval> intervals(std::span<const std::uint16_t> symbols) override;

 private:
  /// Tables of `rows` rows of `scores_`, into `cumulative_`.
  void tabulate(std::size_t rows);

  std::shared_ptr<const model::LanguageModel> model_;
  std::size_t window_, symbols_per_group_;
  std::vector<std::int32_t> symbol_tokens_;
  std::vector<std::int32_t> opening_;  // begin token, then what stands before the first symbol
  std::vector<std::int32_t> between_;  // what stands between two groups
  std::shared_ptr<const model::Readout> readout_;

  std::unique_ptr<model::KeyValueCache> cache_;
  std::size_t chunks_ = 0, position_ = 0;  // running chunks; symbols told so far
  std::vector<std::int32_t> pending_;      // tokens the model has not seen, [chunks, steps]
  std::vector<std::int32_t> scores_;       // [rows, alphabet]
  std::vector<std::uint32_t> cumulative_;  // [rows, alphabet + 1]
};

}  // namespace lmgc::prior
