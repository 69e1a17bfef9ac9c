#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "communicator/counters.h"
#include "hook/link.h"

namespace lmgc::hook {

/// How a bucket is averaged: by one of the planner's presets, or by a plain allreduce.
using Method = std::optional<std::size_t>;

/// What a planner measures with; all but the clock and counters are the same on every rank.
struct Instruments {
  std::function<std::int64_t()> now_ns;
  std::function<communicator::Stats::Snapshot()> counters;  ///< since registration
  std::function<std::vector<std::int64_t>(const std::vector<std::int64_t>&)> largest;
  std::function<Link()> link;
};

/// What trials of a method showed. Of a step, by the rank that took most; the median of some.
struct Trial {
  enum class Outcome : std::uint8_t { kUntried, kMeasured, kSkipped, kAbandoned };
  Outcome outcome = Outcome::kUntried;
  std::int64_t step_ns = 0;
  std::int64_t sent_bytes = 0;
  std::int64_t encode_ns = 0;
  std::int64_t wire_ns = 0;
  std::int64_t decode_ns = 0;
  std::vector<std::int64_t> bucket_raw_bytes, bucket_sent_bytes;
};

/// Decides step by step how buckets are averaged, from integers that all ranks agree on, so that
/// all decide alike.
///
/// It tries a plain allreduce and then preset after preset for some steps each, as long as the link
/// leaves something to gain, and keeps what makes the steps shortest. What a preset would not speed
/// up, like small buckets, stays plain. It watches steps and link, and tries again when they
/// change.
class Planner {
 public:
  /// `presets`: names, the quickest first. `world_size`: ranks that average. `rounds`: exchanges in
  /// which they do it.
  Planner(std::vector<std::string> presets, std::int64_t world_size, std::int64_t rounds,
          Instruments instruments);

  /// Before the first bucket of each step, on every rank. May wait for other ranks; throws what
  /// the instruments throw.
  void begin_step();

  /// Of a bucket of this step.
  [[nodiscard]] Method method_of(std::int64_t bucket) const;
  /// Whether the preset's history is of no more use.
  [[nodiscard]] bool is_dropped(std::size_t preset) const;

  /// What a user wants to know. All of it is the same on every rank.
  struct Report {
    bool deciding = true;
    Method method;
    std::vector<bool> plain_buckets;  ///< under a preset
    Link link;
    Trial plain;
    std::vector<Trial> presets;
    std::int64_t steps = 0;  ///< since registration
    std::int64_t decided_at = 0;
    std::string reason;  ///< of the last trials
  };
  [[nodiscard]] const Report& report() const { return now_; }

  /// Goes on as one that has decided for `method`; before the first step.
  void resume(Method method);

 private:
  void begin_trials(const std::string& reason);
  void begin_trial(Method method);
  void continue_trial();
  void next_trial();
  void decide();
  void hold(Method method);
  void watch();
  [[nodiscard]] bool may_pay(std::size_t preset) const;
  [[nodiscard]] Trial measured() const;
  [[nodiscard]] std::int64_t median_step_ns(std::size_t steps) const;
  [[nodiscard]] std::int64_t link_ns(std::int64_t bytes) const;
  /// That each rank sends in a plain allreduce.
  [[nodiscard]] std::int64_t allreduce_bytes(std::int64_t raw_bytes) const;
  [[nodiscard]] Trial& trial(Method method) { return method ? now_.presets[*method] : now_.plain; }
  [[nodiscard]] std::vector<bool> buckets_that_stay_plain(const Trial& trial) const;

  std::vector<std::string> names_;
  std::int64_t world_size_, rounds_;
  Instruments instruments_;
  Report now_;
  std::int64_t last_start_ns_ = 0;
  std::vector<std::int64_t> periods_;     // of steps with this method
  communicator::Stats::Snapshot before_;  // counters when what is measured began
  std::int64_t usual_step_ns_ = 0;        // since the decision; 0: not known yet
  std::size_t patience_;                  // steps until it may try again
};

}  // namespace lmgc::hook
