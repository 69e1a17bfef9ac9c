#include "predict/level_mixer.h"

namespace lmgc::predict {

using logistic::kCertain;
using logistic::kProbabilityBits;

namespace {

constexpr int kCounterBits = 22;
constexpr std::int32_t kMostSeen = 255;
constexpr std::int32_t kMostWeight = 16 << 16;
/// A row's agreement fades by 1/32 with each value that says something, and grows by this.
constexpr int kFade = 5;
constexpr std::int16_t kAgrees = 64, kDiffers = -64, kOneIsZero = -45;
constexpr std::size_t kChoosing = 8;  // columns after which the row that agrees is chosen anew

/// 2^16 / (seen + 3/2).
const auto& rates() {
  static const auto all = [] {
    std::array<std::int32_t, kMostSeen + 1> made;
    for (std::int32_t seen = 0; seen <= kMostSeen; ++seen) {
      made[static_cast<std::size_t>(seen)] = (2 << 16) / (2 * seen + 3);
    }
    return made;
  }();
  return all;
}

/// Of `count` rows with levels `others` where this row has `level`. Zeros on both sides say
/// nothing.
void score(std::int8_t level, const std::int8_t* others, std::size_t count, std::int16_t* scores) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::int16_t other = others[i], before = scores[i];
    const std::int16_t differs = other != 0 && level != 0 ? kDiffers : kOneIsZero;
    const std::int16_t gain = other == level ? kAgrees : differs;
    const auto after = static_cast<std::int16_t>(before - (before >> kFade) + gain);
    scores[i] = (other | level) != 0 ? after : before;
  }
}

}  // namespace

LevelMixer::LevelMixer(std::size_t rows, std::size_t columns, const LevelModel& levels)
    : levels_(levels),
      rows_(rows),
      candidates_(std::min(rows, kMostRows)),
      seen_(rows * columns),
      sizes_(rows * columns),
      scores_(rows * candidates_),
      alike_(rows, -1),
      near_counters_(kQuestions * kNearness),
      alike_counters_(kQuestions * kLikeness),
      weights_(kQuestions * kScales * kExperts) {
  for (std::size_t i = 0; i < weights_.size(); i += kExperts) weights_[i] = 1 << 16;
}

void LevelMixer::begin(std::size_t row, std::size_t column, float prediction, int scale) {
  row_ = row;
  column_ = column;
  prediction_ = prediction;
  reciprocal_ = levels_.reciprocal(scale);
  scale_ = static_cast<std::size_t>(std::clamp(scale / 2 + 8, 0, static_cast<int>(kScales) - 1));
  const auto most = static_cast<float>(levels_.most());
  const float within = std::clamp(prediction, -most, most);
  center_ = static_cast<int>(within < 0 ? within - 0.5F : within + 0.5F);

  const int sizes = 2 * (known(sizes_, 0, 1) + known(sizes_, 1, 0)) + known(sizes_, 0, 2) +
                    known(sizes_, 2, 0) + known(sizes_, 1, 1);
  nearness_ = (from_center(known(seen_, 0, 1)) * 7 + from_center(known(seen_, 1, 0))) * 8 +
              static_cast<std::size_t>(std::min(sizes * 19 >> 8, 7));
  if (column % kChoosing == 0) choose_row();
  likeness_ = 0;
  if (alike_[row] < 0) return;
  const auto other = static_cast<std::size_t>(alike_[row]);
  const int agreement = std::clamp(scores()[other] / kAgrees, 0, 7);
  likeness_ =
      1 + from_center(seen_[column * rows_ + other]) * 8 + static_cast<std::size_t>(agreement);
}

void LevelMixer::choose_row() {
  const std::int16_t* first = scores();
  const std::int16_t* best = std::max_element(first, first + std::min(row_, candidates_));
  const bool any = row_ > 0 && *best > kAgrees / 2;
  alike_[row_] = any ? static_cast<std::int32_t>(best - first) : -1;
}

logistic::Probability LevelMixer::chance_of(std::size_t question, std::uint32_t part,
                                            std::uint32_t whole) {
  const auto possible = [](std::int32_t chance) {
    return static_cast<logistic::Probability>(std::clamp(chance, 1, kCertain - 1));
  };
  const logistic::Probability expected =
      possible(static_cast<std::int32_t>((std::uint64_t{part} << kProbabilityBits) / whole));
  counters_ = {&near_counters_[question * kNearness + nearness_],
               &alike_counters_[question * kLikeness + likeness_]};
  logits_[0] = logistic::stretch(expected);
  for (std::size_t i = 0; i < counters_.size(); ++i) {
    Counter& counter = *counters_[i];
    if (counter.seen == 0) counter.chance = expected << (kCounterBits - kProbabilityBits);
    const std::int32_t chance = counter.chance >> (kCounterBits - kProbabilityBits);
    logits_[i + 1] = counter.seen == 0 ? 0 : logistic::stretch(possible(chance));
  }
  mixed_by_ = &weights_[(question * kScales + scale_) * kExperts];
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < kExperts; ++i) sum += std::int64_t{mixed_by_[i]} * logits_[i];
  constexpr std::int64_t kMost = logistic::kMostStretch;
  chance_ = logistic::squash(static_cast<logistic::Stretch>(std::clamp(sum >> 16, -kMost, kMost)));
  return chance_;
}

void LevelMixer::learn(bool yes) {
  const std::int32_t error = (yes ? kCertain : 0) - chance_;
  for (std::size_t i = 0; i < kExperts; ++i) {
    const std::int32_t weight = mixed_by_[i] + (logits_[i] * error >> 14);
    mixed_by_[i] = std::clamp(weight, -kMostWeight, kMostWeight);
  }
  for (Counter* counter : counters_) {
    const std::int64_t left = (yes ? 1 << kCounterBits : 0) - counter->chance;
    const std::int64_t rate = rates()[static_cast<std::size_t>(counter->seen)];
    counter->chance += static_cast<std::int32_t>(left * rate >> 16);
    counter->seen = std::min(counter->seen + 1, kMostSeen);
  }
}

void LevelMixer::end(int level) {
  const auto seen = static_cast<std::int8_t>(level);
  const float left = (static_cast<float>(level) - prediction_) * reciprocal_ * 8;
  const float size = left < 0 ? -left : left;
  sizes_[column_ * rows_ + row_] = static_cast<std::uint8_t>(size < 255 ? size : 255.0F);
  std::int8_t* column = seen_.data() + column_ * rows_;
  score(seen, column, std::min(row_, candidates_), scores());
  column[row_] = seen;
}

}  // namespace lmgc::predict
