#include "model/language_model.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "model/forward.h"
#include "model/key_value_cache.h"
#include "model/readout.h"
#include "model/weights.h"
#include "parallel.h"

namespace lmgc::model {

struct LanguageModel::State {
  Architecture architecture;
  Weights weights;
  Fingerprint fingerprint;
};

LanguageModel::LanguageModel(const Architecture& architecture, const TensorMap& weights,
                             const Fingerprint& fingerprint)
    : state_(new State{architecture, Weights(architecture, weights), fingerprint}) {}

LanguageModel::~LanguageModel() = default;

const Architecture& LanguageModel::architecture() const { return state_->architecture; }

const Fingerprint& LanguageModel::fingerprint() const { return state_->fingerprint; }

std::int32_t LanguageModel::begin_token() const { return state_->weights.begin_token; }

std::span<const std::int32_t> LanguageModel::byte_tokens() const {
  return state_->weights.byte_tokens;
}

namespace {

void check_tokens(std::span<const std::int32_t> tokens, std::int64_t vocabulary) {
  for (const std::int32_t token : tokens) {
    TORCH_CHECK_VALUE(token >= 0 && token < vocabulary, "lmgc::model: token ", token,
                      " is outside the vocabulary of ", vocabulary);
  }
}

/// Lanes for each thread if each is to take lanes of its own, which needs no waiting; 0 if that
/// would leave threads idle or read the weights too often for too few rows.
std::int64_t lanes_per_thread(std::int64_t lanes, std::int64_t steps) {
  constexpr std::int64_t kRowsPerThread = 2;  // for each thread: all of them read the weights
  const std::int64_t threads = threads_here();
  const std::int64_t share = (lanes + threads - 1) / threads;
  const bool idle = share * threads * 7 > lanes * 8;
  return threads == 1 || idle || share * steps < kRowsPerThread * threads ? 0 : share;
}

}  // namespace

std::shared_ptr<const Readout> LanguageModel::readout(std::span<const std::int32_t> tokens) const {
  check_tokens(tokens, architecture().vocabulary);
  TORCH_CHECK_VALUE(!tokens.empty(), "lmgc::model: a readout needs at least one token");
  at::Tensor rows = at::empty({static_cast<std::int64_t>(tokens.size())}, at::kInt);
  std::ranges::copy(tokens, rows.mutable_data_ptr<std::int32_t>());
  const Weights& weights = state_->weights;
  return std::make_shared<const Readout>(
      Matrix(weights.head_codes.index_select(0, rows), weights.head_scales.index_select(0, rows)));
}

std::unique_ptr<KeyValueCache> LanguageModel::cache(std::size_t lanes, std::size_t capacity) const {
  TORCH_CHECK_VALUE(lanes > 0 && lanes <= (std::size_t{1} << 20), "lmgc::model: a cache of ", lanes,
                    " lanes; expected 1 to 2^20");
  TORCH_CHECK_VALUE(capacity > 0 && capacity <= static_cast<std::size_t>(architecture().context),
                    "lmgc::model: a cache of ", capacity,
                    " tokens; the model's context holds 1 to ", architecture().context);
  return std::make_unique<KeyValueCache>(architecture(), static_cast<std::int64_t>(lanes),
                                         static_cast<std::int64_t>(capacity));
}

void LanguageModel::extend(KeyValueCache& cache, std::span<const std::int32_t> tokens,
                           std::size_t lanes, std::span<const std::uint8_t> wanted,
                           const Readout& readout, std::span<std::int32_t> scores) const {
  const Architecture& a = architecture();
  const auto steps = static_cast<std::int64_t>(wanted.size());
  const auto all_lanes = static_cast<std::int64_t>(lanes);
  const auto wanted_steps =
      std::ranges::count_if(wanted, [](std::uint8_t is_wanted) { return is_wanted != 0; });
  TORCH_CHECK_VALUE(cache.fits(a), "lmgc::model: the cache belongs to a model of another shape");
  TORCH_CHECK_VALUE(lanes > 0 && all_lanes <= cache.lanes(), "lmgc::model: ", lanes,
                    " lanes to extend, the cache has ", cache.lanes());
  TORCH_CHECK_VALUE(steps <= cache.capacity() - cache.length(), "lmgc::model: ", steps,
                    " tokens more than the ", cache.length(), " in the cache exceed its capacity, ",
                    cache.capacity());
  TORCH_CHECK_VALUE(tokens.size() == lanes * wanted.size(), "lmgc::model: ", tokens.size(),
                    " tokens, expected ", lanes, " lanes of ", steps);
  TORCH_CHECK_VALUE(readout.matrix().padded_depth() == round_up(a.width, kPanelDepth),
                    "lmgc::model: the readout belongs to a model of another width");
  TORCH_CHECK_VALUE(
      scores.size() == lanes * static_cast<std::size_t>(wanted_steps * readout.tokens()),
      "lmgc::model: room for ", scores.size(), " scores, expected ", lanes, " x ", wanted_steps,
      " x ", readout.tokens());
  check_tokens(tokens, a.vocabulary);

  const auto extend_lanes = [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t pass_rows = kBlockRows * threads_here();
    const std::int64_t pass_lanes = std::clamp(pass_rows / steps, std::int64_t{1}, end - begin);
    const std::int64_t pass_steps = std::max(pass_rows / pass_lanes, std::int64_t{1});
    std::vector<Forward::Wanted> reads;
    for (std::int64_t lane = begin; lane < end; lane += pass_lanes) {
      const std::int64_t lanes_now = std::min(pass_lanes, end - lane);
      std::int64_t wanted_before = 0;
      for (std::int64_t step = 0; step < steps; step += pass_steps) {
        const std::int64_t steps_now = std::min(pass_steps, steps - step);
        Forward pass(a, state_->weights, cache, lane, lanes_now, cache.length() + step, steps_now);
        pass.run(tokens.data() + lane * steps + step, steps);
        reads.clear();
        for (std::int64_t i = 0; i < steps_now; ++i) {
          if (wanted[static_cast<std::size_t>(step + i)] == 0) continue;
          for (std::int64_t j = 0; j < lanes_now; ++j) {
            const std::int64_t at = (lane + j) * wanted_steps + wanted_before;
            reads.push_back({j, i, scores.data() + at * readout.tokens()});
          }
          ++wanted_before;
        }
        if (!reads.empty()) pass.read(reads, readout);
      }
    }
  };
  if (steps > 0) {
    const std::int64_t share = lanes_per_thread(all_lanes, steps);
    if (share > 0) {
      parallel_ranges(all_lanes, share, extend_lanes);
    } else {
      extend_lanes(0, all_lanes);
    }
  }
  cache.lanes_ = all_lanes;
  cache.length_ += steps;
}

}  // namespace lmgc::model
