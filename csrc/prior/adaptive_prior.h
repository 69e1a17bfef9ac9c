#pragma once

#include "prior/prior.h"

namespace lmgc::prior {

/// Order-0 expert: frequencies follow the counts of the symbols seen in the chunk. One chunk only.
/// The table is renewed after a growing number of symbols, so that it costs little a symbol.
class AdaptivePrior final : public Prior {
 public:
  /// Requires 1 <= alphabet <= 2^12.
  explicit AdaptivePrior(std::size_t alphabet);

  [[nodiscard]] std::size_t alphabet() const override { return weights_.size(); }
  void start(std::size_t chunks) override;
  [[nodiscard]] std::span<const std::uint32_t> cumulative_frequencies() override {
    return cumulative_;
  }
  void update(std::span<const std::uint16_t> symbols) override;

 private:
  void renew();

  std::vector<std::uint32_t> weights_;
  std::vector<std::uint32_t> cumulative_;
  std::uint32_t seen_ = 0;
  std::uint32_t next_renewal_ = 0;
};

}  // namespace lmgc::prior
