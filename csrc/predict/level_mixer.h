#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "logistic.h"
#include "predict/level_model.h"

/// Levels as yes-or-no questions, whose chances are mixed from the level model's and from what was
/// true where things looked alike: by neighbours, and by the row above that agrees best so far.
namespace lmgc::predict {

enum class Question : std::uint8_t {
  kIs,     ///< is the level this one?
  kAbove,  ///< or above it?
};

/// Of one tile in coding order, in integers; what it has not been told of is 0.
class LevelMixer {
 public:
  LevelMixer(std::size_t rows, std::size_t columns, const LevelModel& levels);

  /// Finds the level at a place by asking `bool answer(Question, int level, Probability)`, whose
  /// probability is that it is true, and learns. Levels above and to the left are known by then.
  template <typename Answer>
  int find(std::size_t row, std::size_t column, float prediction, int scale, const Answer& answer) {
    begin(row, column, prediction, scale);
    const auto is_true = [&](Question question, std::size_t number, int level, std::uint32_t part,
                             std::uint32_t whole) {
      const bool yes = answer(question, level, chance_of(number, part, whole));
      learn(yes);
      return yes;
    };
    const int most = levels_.most();
    int level = center_;
    std::uint32_t below = start_of(level);
    const std::uint32_t above = start_of(level + 1);
    if (!is_true(Question::kIs, 0, level, above - below, kTotal)) {
      const bool up =
          level == -most || (level < most && is_true(Question::kAbove, 1, level, kTotal - above,
                                                     kTotal - (above - below)));
      std::uint32_t edge = up ? above : below;
      for (std::size_t distance = 0; level += up ? 1 : -1, level != (up ? most : -most);
           ++distance) {
        const std::uint32_t next = start_of(up ? level + 1 : level);
        const std::size_t number = (up ? 2 : 2 + kFar) + std::min(distance, kFar - 1);
        if (is_true(Question::kIs, number, level, up ? next - edge : edge - next,
                    up ? kTotal - edge : edge)) {
          break;
        }
        edge = next;
      }
    }
    end(level);
    return level;
  }

 private:
  static constexpr std::uint32_t kTotal = coder::kTotalFrequency;
  static constexpr std::size_t kFar = 7;  // levels from the center whose questions are told apart
  static constexpr std::size_t kQuestions = 2 + 2 * kFar, kScales = 16;
  static constexpr std::size_t kNearness = 7 * 7 * 8, kLikeness = 1 + 7 * 8;
  static constexpr std::size_t kExperts = 3;      // the model, neighbours, the row that agrees
  static constexpr std::size_t kMostRows = 1024;  // of which one may agree

  struct Counter {
    std::int32_t chance;  // in 2^22
    std::int32_t seen;
  };

  void begin(std::size_t row, std::size_t column, float prediction, int scale);
  /// That it is true by the model in `part` of `whole`.
  [[nodiscard]] logistic::Probability chance_of(std::size_t question, std::uint32_t part,
                                                std::uint32_t whole);
  void learn(bool yes);
  void end(int level);

  [[nodiscard]] std::uint32_t start_of(int level) const {
    return levels_.start_of(level, prediction_, reciprocal_);
  }
  /// How far a level known by now lies from the center, 0 to 6.
  [[nodiscard]] std::size_t from_center(int level) const {
    return static_cast<std::size_t>(std::clamp(level - center_, -3, 3) + 3);
  }
  template <typename Element>
  [[nodiscard]] int known(const std::vector<Element>& elements, std::size_t up,
                          std::size_t left) const {
    if (up > row_ || left > column_) return 0;
    return elements[(column_ - left) * rows_ + row_ - up];
  }
  [[nodiscard]] std::int16_t* scores() { return scores_.data() + row_ * candidates_; }
  void choose_row();

  const LevelModel& levels_;
  std::size_t rows_, candidates_;
  std::vector<std::int8_t> seen_;     // [columns][rows]
  std::vector<std::uint8_t> sizes_;   // [columns][rows], of what the prediction left
  std::vector<std::int16_t> scores_;  // [rows][candidates], how well those agree
  std::vector<std::int32_t> alike_;   // [rows], the candidate that agrees best; -1: none
  std::vector<Counter> near_counters_, alike_counters_;
  std::vector<std::int32_t> weights_;  // in 2^16

  // The place at hand, and the question.
  std::size_t row_ = 0, column_ = 0, nearness_ = 0, likeness_ = 0, scale_ = 0;
  float prediction_ = 0, reciprocal_ = 0;
  int center_ = 0;
  std::array<Counter*, kExperts - 1> counters_{};
  std::array<logistic::Stretch, kExperts> logits_{};
  std::int32_t* mixed_by_ = nullptr;
  logistic::Probability chance_ = 0;
};

}  // namespace lmgc::predict
