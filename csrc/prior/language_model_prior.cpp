#include "prior/language_model_prior.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "model/key_value_cache.h"

namespace lmgc::prior {

LanguageModelPrior::LanguageModelPrior(std::shared_ptr<const model::LanguageModel> model,
                                       const serialize::TextFormat& format, std::size_t window,
                                       std::function<void()> checkpoint)
    : model_(std::move(model)),
      window_(window),
      text_(format, model_->begin_token(), model_->byte_tokens()),
      readout_(model_->readout(text_.symbols)),
      checkpoint_(std::move(checkpoint)) {}

LanguageModelPrior::~LanguageModelPrior() = default;

void LanguageModelPrior::start(std::size_t chunks) {
  cache_ = model_->cache(chunks, window_);
  pending_.start(text_, chunks);
}

std::span<const std::uint32_t> LanguageModelPrior::cumulative_frequencies() {
  if (!pending_.empty()) {
    checkpoint_();
    const std::size_t count = alphabet(), chunks = pending_.chunks();
    scores_.resize(chunks * count);
    cumulative_.resize(chunks * (count + 1));
    model_->extend(*cache_, pending_.tokens(), chunks, pending_.wanted(), *readout_, scores_);
    std::vector<std::uint32_t> weights(count);
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
      frequencies_from_scores(scores_.data() + chunk * count, count, weights.data(),
                              cumulative_.data() + chunk * (count + 1));
    }
    pending_.clear();
  }
  return cumulative_;
}

void LanguageModelPrior::update(std::span<const std::uint16_t> symbols) {
  pending_.tell(text_, symbols);
}

template <typename Work>
void LanguageModelPrior::for_chunks(std::span<const std::uint16_t> symbols, std::size_t run,
                                    const Work& work) {
  for (std::size_t start = 0; start < symbols.size(); start += run) {
    checkpoint_();
    const auto chunk = symbols.subspan(start, std::min(run, symbols.size() - start));
    const TokenWindows window = windows_of(text_, chunk, chunk.size());
    const auto cache = model_->cache(1, window_);
    scores_.resize(chunk.size() * alphabet());
    model_->extend(*cache, window.tokens, 1, window.wanted, *readout_, scores_);
    work(start, chunk);
  }
}

void LanguageModelPrior::intervals(std::span<const std::uint16_t> symbols, std::size_t run,
                                   const TakeIntervals& take) {
  std::vector<std::uint32_t> weights(alphabet()), table(alphabet() + 1);
  for_chunks(symbols, run, [&](std::size_t first, std::span<const std::uint16_t> chunk) {
    std::vector<Interval> of_chunk;
    for (const std::int32_t* scores = scores_.data(); const std::uint16_t symbol : chunk) {
      frequencies_from_scores(scores, alphabet(), weights.data(), table.data());
      of_chunk.push_back({table[symbol], table[symbol + 1u] - table[symbol]});
      scores += alphabet();
    }
    take(first / run, of_chunk);
  });
}

std::vector<std::uint16_t> LanguageModelPrior::shares_of_ones(
    std::span<const std::uint16_t> symbols, std::size_t run) {
  const auto bits = static_cast<std::size_t>(std::countr_zero(alphabet()));
  std::vector<std::uint16_t> shares(symbols.size() * bits);
  std::vector<std::uint32_t> weights(alphabet()), table(alphabet() + 1);
  for_chunks(symbols, run, [&](std::size_t first, std::span<const std::uint16_t> chunk) {
    for (std::size_t i = 0; i < chunk.size(); ++i) {
      frequencies_from_scores(scores_.data() + i * alphabet(), alphabet(), weights.data(),
                              table.data());
      write_shares_of_ones(table.data(), chunk[i],
                           std::span(shares).subspan((first + i) * bits, bits));
    }
  });
  return shares;
}

}  // namespace lmgc::prior
