#include "fuzz_text.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "codec/mixture_representation.h"
#include "codec/text_representation.h"

namespace {

/// Needs no weights, and serves chunks in lockstep as it does.
class PositionPrior final : public lmgc::prior::Prior {
 public:
  explicit PositionPrior(std::size_t alphabet) : weights_(alphabet) {}
  std::size_t alphabet() const override { return weights_.size(); }
  void start(std::size_t chunks) override {
    chunks_ = chunks;
    position_ = 0;
  }
  std::span<const std::uint32_t> cumulative_frequencies() override {
    tables_.resize(chunks_ * (alphabet() + 1));
    std::fill(weights_.begin(), weights_.end(), 1);
    weights_[position_ % alphabet()] = 100;
    for (std::size_t chunk = 0; chunk < chunks_; ++chunk) {
      lmgc::prior::frequencies_from_weights(weights_.data(), alphabet(),
                                            tables_.data() + chunk * (alphabet() + 1));
    }
    return tables_;
  }
  void update(std::span<const std::uint16_t> symbols) override {
    chunks_ = symbols.size();
    ++position_;
  }

 private:
  std::vector<std::uint32_t> weights_, tables_;
  std::size_t chunks_ = 0, position_ = 0;
};

std::unique_ptr<lmgc::prior::Prior> position(const lmgc::serialize::TextFormat& format,
                                             std::size_t) {
  return std::make_unique<PositionPrior>(format.characters().size());
}

const lmgc::codec::TextHead kHead{.format = {}, .window = 64};
constexpr std::size_t kMostWindow = 128, kLanes = 3;

}  // namespace

const lmgc::codec::Representation& fuzzed_text() {
  static const lmgc::codec::TextRepresentation representation(kHead, kMostWindow, kLanes, position);
  return representation;
}

const lmgc::codec::Representation& fuzzed_mixture(bool with_model) {
  using lmgc::codec::MixtureRepresentation;
  static const MixtureRepresentation experts(lmgc::serialize::ByteOrder::kLittle, [] {});
  static const MixtureRepresentation both(kHead, kMostWindow, position);
  return with_model ? both : experts;
}
