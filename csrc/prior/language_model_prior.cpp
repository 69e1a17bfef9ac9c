#include "prior/language_model_prior.h"

#include <string_view>
#include <utility>

#include "model/key_value_cache.h"

namespace lmgc::prior {
namespace {

void append(std::vector<std::int32_t>& tokens, const model::LanguageModel& model,
            std::string_view text) {
  for (const char character : text) {
    tokens.push_back(model.byte_tokens()[static_cast<unsigned char>(character)]);
  }
}

}  // namespace

LanguageModelPrior::LanguageModelPrior(std::shared_ptr<const model::LanguageModel> model,
                                       const serialize::TextFormat& format, std::size_t window)
    : model_(std::move(model)), window_(window), symbols_per_group_(format.symbols_per_group()) {
  for (const std::uint8_t character : format.characters()) {
    symbol_tokens_.push_back(model_->byte_tokens()[character]);
  }
  opening_.push_back(model_->begin_token());
  append(opening_, *model_, format.prefix());
  append(between_, *model_, format.suffix());
  append(between_, *model_, format.prefix());
  readout_ = model_->readout(symbol_tokens_);
}

LanguageModelPrior::~LanguageModelPrior() = default;

void LanguageModelPrior::start(std::size_t chunks) {
  cache_ = model_->cache(chunks, window_);
  chunks_ = chunks;
  position_ = 0;
  pending_.clear();
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    pending_.insert(pending_.end(), opening_.begin(), opening_.end());
  }
}

std::span<const std::uint32_t> LanguageModelPrior::cumulative_frequencies() {
  if (!pending_.empty()) {
    std::vector<std::uint8_t> wanted(pending_.size() / chunks_);
    wanted.back() = 1;
    scores_.resize(chunks_ * alphabet());
    model_->extend(*cache_, pending_, chunks_, wanted, *readout_, scores_);
    tabulate(chunks_);
    pending_.clear();
  }
  return cumulative_;
}

void LanguageModelPrior::update(std::span<const std::uint16_t> symbols) {
  const bool group_ends = ++position_ % symbols_per_group_ == 0;
  chunks_ = symbols.size();
  for (const std::uint16_t symbol : symbols) {
    pending_.push_back(symbol_tokens_[symbol]);
    if (group_ends) pending_.insert(pending_.end(), between_.begin(), between_.end());
  }
}

std::vector<Interval> LanguageModelPrior::intervals(std::span<const std::uint16_t> symbols) {
  std::vector<std::int32_t> tokens = opening_;
  std::vector<std::uint8_t> wanted(tokens.size());
  wanted.back() = 1;
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    tokens.push_back(symbol_tokens_[symbols[i]]);
    if ((i + 1) % symbols_per_group_ == 0) {
      tokens.insert(tokens.end(), between_.begin(), between_.end());
    }
    wanted.resize(tokens.size());
    wanted.back() = 1;
  }
  const auto cache = model_->cache(1, window_);
  scores_.resize(symbols.size() * alphabet());
  model_->extend(*cache, tokens, 1, wanted, *readout_, scores_);
  tabulate(symbols.size());
  std::vector<Interval> result;
  result.reserve(symbols.size());
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    const std::uint32_t* table = cumulative_.data() + i * (alphabet() + 1);
    result.push_back({table[symbols[i]], table[symbols[i] + 1u] - table[symbols[i]]});
  }
  return result;
}

void LanguageModelPrior::tabulate(std::size_t rows) {
  const std::size_t count = alphabet();
  cumulative_.resize(rows * (count + 1));
  std::vector<std::uint32_t> weights(count);
  for (std::size_t row = 0; row < rows; ++row) {
    frequencies_from_scores(scores_.data() + row * count, count, weights.data(),
                            cumulative_.data() + row * (count + 1));
  }
}

}  // namespace lmgc::prior
