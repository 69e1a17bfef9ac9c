#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "predict/model.h"
#include "predict/regression.h"
#include "predict/tile.h"
#include "predict/tile_history.h"

namespace lmgc::predict {

struct HistoryOptions {
  std::size_t max_pivots = 128;  ///< of a side; large parameters have as many as kMaxShare allows
  std::uint16_t block = 16;      ///< pivots that are coded together
  /// From kWarmSteps on, a tile learns every that many steps, or more: what LearningPlan says.
  std::size_t period = 8;
  /// Shifts the steps at which tiles learn, so that parameters take turns.
  std::size_t phase = 0;
  /// Shifts the observations at which pivots are chosen anew: parameters with the same may choose
  /// in the same step.
  std::uint32_t turn = 0;
};

/// Every step is learned until this many have been seen.
inline constexpr std::uint64_t kWarmSteps = 10;

/// How often a parameter's tiles learn. Learning takes so long for some shapes that they do it more
/// seldom: on average it is at most kStepCost products of integers a value and step.
struct LearningPlan {
  std::size_t period;
  std::vector<std::uint64_t> costs;  ///< of tiles, one learning: in products of integers
};
inline constexpr std::uint64_t kStepCost = 320;
[[nodiscard]] LearningPlan learning_plan(std::span<const std::int64_t> shape,
                                         HistoryOptions options = {});

/// What past steps' averaged gradients say about the next of one parameter: a Model for each of
/// its tiles. The same averages give the same bits on any machine and with any number of threads.
class History {
 public:
  /// Throws std::invalid_argument on options without meaning.
  explicit History(std::span<const std::int64_t> shape, HistoryOptions options = {});

  /// Learns the next step's average, the parameter's values in order. Throws
  /// std::invalid_argument if their number is not the shape's. Tiles take turns, so threads are
  /// best used by observing several parameters at once.
  void observe(std::span<const float> average);

  [[nodiscard]] std::span<const Tile> tiles() const { return tiles_; }
  /// One for each of tiles(): null before the first step and for small tiles.
  [[nodiscard]] std::span<const std::shared_ptr<const Model>> models() const { return models_; }
  /// Null where models() are.
  [[nodiscard]] const TileHistory* tile_history(std::size_t tile) const {
    return models_[tile] ? histories_[tile].get() : nullptr;
  }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  /// Equal only where models() and all that later steps depend on are.
  [[nodiscard]] std::uint64_t fingerprint() const;
  /// Resident bytes, models included.
  [[nodiscard]] std::size_t bytes() const;

  [[nodiscard]] std::vector<std::byte> state() const;
  /// Continues as the history that wrote `state`, of the same shape and options; this is how a
  /// late rank joins. Otherwise throws std::invalid_argument, and nothing has changed.
  void restore(std::span<const std::byte> state);
  void reset();

 private:
  [[nodiscard]] bool learns(std::size_t tile) const;
  void collect_models();

  std::vector<std::int64_t> shape_;
  HistoryOptions options_;
  std::vector<Tile> tiles_;
  std::size_t values_, period_;
  std::vector<std::unique_ptr<TileHistory>> histories_;  // null where a tile has no Model
  std::vector<std::shared_ptr<const Model>> models_;
  std::uint64_t steps_ = 0;
};

}  // namespace lmgc::predict
