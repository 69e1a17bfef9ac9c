#include "predict/history.h"

#include <xxhash.h>

#include <algorithm>
#include <string>
#include <utility>

#include "default_environment.h"
#include "parallel.h"

namespace lmgc::predict {
namespace {

constexpr std::uint32_t kMagic = 0x5348474C;  // "LGHS"
constexpr std::uint32_t kStateVersion = 2;
constexpr std::size_t kLargeValues = 1 << 19;  // parameters from here on have bounded memory
constexpr double kDecay = 0.97;                // of a step
constexpr std::size_t kPeriodStep = 4;         // periods with common multiples are easy to stagger

std::size_t values_of(std::span<const Tile> tiles) {
  std::size_t values = 0;
  for (const Tile& tile : tiles) values += tile.rows * tile.columns;
  return values;
}

}  // namespace

LearningPlan learning_plan(std::span<const std::int64_t> shape, HistoryOptions options) {
  const std::vector<Tile> tiles = tiles_of(shape);
  const std::size_t values = values_of(tiles);
  LearningPlan plan{options.period, {}};
  std::uint64_t total = 0;
  for (const Tile& tile : tiles) {
    const bool learns = has_model(tile);
    const PivotCounts pivots = pivot_counts(tile, options.max_pivots, values >= kLargeValues);
    plan.costs.push_back(learns ? learning_cost(tile, pivots) : 0);
    total += plan.costs.back();
  }
  const std::uint64_t budget = kStepCost * std::max<std::size_t>(values, 1);
  while (plan.period * budget < total) plan.period += kPeriodStep;
  return plan;
}

History::History(std::span<const std::int64_t> shape, HistoryOptions options)
    : shape_(shape.begin(), shape.end()),
      options_(options),
      tiles_(tiles_of(shape)),
      values_(values_of(tiles_)),
      period_(options.period) {
  if (options.max_pivots < 16 || options.max_pivots > kMaxPivots || options.period == 0 ||
      options.block == 0) {
    throw std::invalid_argument("lmgc::predict: a history has 16 to " + std::to_string(kMaxPivots) +
                                " pivots, got " + std::to_string(options.max_pivots) +
                                ", and blocks and a period of at least 1");
  }
  period_ = learning_plan(shape, options).period;
  for (const Tile& tile : tiles_) {
    std::unique_ptr<TileHistory> history;
    if (has_model(tile)) {
      const PivotCounts pivots = pivot_counts(tile, options.max_pivots, values_ >= kLargeValues);
      const auto turn = options.turn + static_cast<std::uint32_t>(histories_.size());
      history = std::make_unique<TileHistory>(tile, pivots, options.block, turn);
    }
    histories_.push_back(std::move(history));
  }
  collect_models();
}

bool History::learns(std::size_t tile) const {
  const std::size_t shift = options_.phase + tile * period_ / tiles_.size();
  return steps_ <= kWarmSteps || (steps_ + shift) % period_ == 0;
}

void History::observe(std::span<const float> average) {
  if (average.size() != values_) {
    throw std::invalid_argument("lmgc::predict: an average of " + std::to_string(average.size()) +
                                " values for a parameter of " + std::to_string(values_));
  }
  ++steps_;
  double decay = kDecay;
  if (steps_ > kWarmSteps) {
    for (std::size_t i = 1; i < period_; ++i) decay *= kDecay;
  }
  std::vector<TileHistory*> learning;
  for (std::size_t tile = 0; tile < tiles_.size(); ++tile) {
    if (histories_[tile] && learns(tile)) learning.push_back(histories_[tile].get());
  }
  const auto learn = [&](std::size_t i) {
    const DefaultEnvironment environment;
    learning[i]->observe(average.data(), decay);
  };
  if (learning.size() == 1) {
    learn(0);  // no threads to wait for
  } else if (!learning.empty()) {
    parallel_for(learning.size(), learn);
  }
  collect_models();
}

void History::collect_models() {
  models_.clear();
  for (const auto& history : histories_) models_.push_back(history ? history->model() : nullptr);
}

std::uint64_t History::fingerprint() const {
  StateWriter hashed;
  hashed.put(steps_);
  hashed.put_all(shape_);
  for (const auto& history : histories_) {
    hashed.put(history ? history->fingerprint() : std::uint64_t{0});
  }
  return XXH3_64bits(hashed.written().data(), hashed.written().size());
}

std::size_t History::bytes() const {
  std::size_t bytes = 0;
  for (const auto& history : histories_) bytes += history ? history->bytes() : 0;
  return bytes;
}

std::vector<std::byte> History::state() const {
  StateWriter body;
  body.put_all(shape_);
  body.put(std::uint64_t{options_.max_pivots});
  body.put(std::uint64_t{options_.period});
  body.put(std::uint64_t{options_.phase});
  body.put(options_.turn);
  body.put(options_.block);
  body.put(steps_);
  for (const auto& history : histories_) {
    if (history) history->write(body);
  }
  StateWriter state;
  state.put(kMagic);
  state.put(kStateVersion);
  state.put(std::uint64_t{body.written().size()});
  state.put(std::uint64_t{XXH3_64bits(body.written().data(), body.written().size())});
  state.put_all(body.written());
  return std::move(state.written());
}

void History::restore(std::span<const std::byte> state) {
  StateReader head(state);
  require(head.take<std::uint32_t>() == kMagic, "it is no history");
  const auto version = head.take<std::uint32_t>();
  if (version != kStateVersion) {
    throw std::invalid_argument("lmgc::predict: history's state has version " +
                                std::to_string(version) + ", this library reads " +
                                std::to_string(kStateVersion));
  }
  const auto length = head.take<std::uint64_t>();
  const auto hash = head.take<std::uint64_t>();
  if (head.rest().size() < length) {
    throw std::invalid_argument(
        "lmgc::predict: history's state is truncated: " + std::to_string(head.rest().size()) +
        " bytes of " + std::to_string(length));
  }
  require(head.rest().size() == length && XXH3_64bits(head.rest().data(), length) == hash,
          "its checksum does not match");

  StateReader body(head.rest());
  for (const std::int64_t size : shape_) {
    if (body.take<std::int64_t>() != size) {
      throw std::invalid_argument(
          "lmgc::predict: history's state is of a parameter of another "
          "shape");
    }
  }
  if (body.take<std::uint64_t>() != options_.max_pivots ||
      body.take<std::uint64_t>() != options_.period ||
      body.take<std::uint64_t>() != options_.phase || body.take<std::uint32_t>() != options_.turn ||
      body.take<std::uint16_t>() != options_.block) {
    throw std::invalid_argument("lmgc::predict: history's state was made with other options");
  }
  History next(shape_, options_);
  next.steps_ = body.take<std::uint64_t>();
  for (const auto& history : next.histories_) {
    if (history) history->read(body);
  }
  require(body.rest().empty(), "more bytes than its shape needs");
  next.collect_models();
  *this = std::move(next);
}

void History::reset() { *this = History(shape_, options_); }

}  // namespace lmgc::predict
