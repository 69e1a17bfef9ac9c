#include "hook/planner.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace lmgc::hook {
namespace {

/// What a preset takes and sends at least, in percent of the quickest one's: results/speed.md,
/// results/rates.md.
struct Costs {
  std::string_view preset;
  std::int64_t codec, bytes;
};
constexpr std::array kCosts{Costs{"balanced", 110, 96}, Costs{"max", 1000, 85}};
/// What the quickest preset may leave of raw bytes.
constexpr std::int64_t kLeastBytes = 40;

// Steps of a trial: histories, and DDP's buckets, settle first. The last are measured.
constexpr std::size_t kPlainSteps = 6, kPresetSteps = 14, kMeasuredSteps = 4;
/// When a trial that goes badly ends early: after these steps, if they take more than this factor.
constexpr std::size_t kGlanceSteps = 3;
constexpr std::int64_t kHopeless = 3;
/// What a method must gain, in percent, over a plain allreduce or over a quicker preset.
constexpr std::int64_t kGainOverPlain = 3, kGainOverPreset = 1;

constexpr std::size_t kWatchSteps = 64;
constexpr std::size_t kLeastPatience = 256, kMostPatience = 8192;

/// By more than a third up or a quarter down.
bool differs(std::int64_t a, std::int64_t b) { return 3 * a > 4 * b || 4 * a < 3 * b; }

std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

std::string milliseconds(std::int64_t ns) { return std::to_string(ns / 1'000'000) + " ms"; }

}  // namespace

Planner::Planner(std::vector<std::string> presets, std::int64_t world_size, std::int64_t rounds,
                 Instruments instruments)
    : names_(std::move(presets)),
      world_size_(world_size),
      rounds_(rounds),
      instruments_(std::move(instruments)),
      patience_(kLeastPatience) {
  now_.presets.resize(names_.size());
}

void Planner::resume(Method method) { hold(method); }

Method Planner::method_of(std::int64_t bucket) const {
  const auto index = static_cast<std::size_t>(bucket);
  const bool plain = index < now_.plain_buckets.size() && now_.plain_buckets[index];
  return plain ? std::nullopt : now_.method;
}

bool Planner::is_dropped(std::size_t preset) const {
  return !now_.deciding && now_.method != Method(preset);
}

void Planner::begin_step() {
  const std::int64_t start_ns = instruments_.now_ns();
  if (now_.steps > 0) periods_.push_back(start_ns - last_start_ns_);
  if (now_.steps == 0) {
    now_.link = instruments_.link();
    if (now_.deciding) begin_trials("training began");
  } else if (now_.deciding) {
    continue_trial();
  } else {
    watch();
  }
  ++now_.steps;
  last_start_ns_ = instruments_.now_ns();
}

void Planner::begin_trials(const std::string& reason) {
  now_.deciding = true;
  now_.reason = reason;
  now_.plain = {};
  std::ranges::fill(now_.presets, Trial{});
  begin_trial(std::nullopt);
}

void Planner::begin_trial(Method method) {
  now_.method = method;
  now_.plain_buckets.clear();
  periods_.clear();
}

void Planner::continue_trial() {
  const std::size_t length = now_.method ? kPresetSteps : kPlainSteps;
  if (now_.method && periods_.size() == kGlanceSteps) {
    Trial& trial = this->trial(now_.method);
    trial.step_ns = instruments_.largest({median_step_ns(kGlanceSteps)}).front();
    if (trial.step_ns > kHopeless * now_.plain.step_ns) {
      trial.outcome = Trial::Outcome::kAbandoned;
      return next_trial();
    }
  }
  if (periods_.size() == length - kMeasuredSteps) before_ = instruments_.counters();
  if (periods_.size() < length) return;
  trial(now_.method) = measured();
  next_trial();
}

void Planner::next_trial() {
  std::size_t preset = now_.method ? *now_.method + 1 : 0;
  while (preset < names_.size() && !may_pay(preset)) {
    now_.presets[preset++].outcome = Trial::Outcome::kSkipped;
  }
  preset < names_.size() ? begin_trial(preset) : decide();
}

bool Planner::may_pay(std::size_t preset) const {
  if (preset == 0) {
    const std::int64_t saved_ns = link_ns(now_.plain.sent_bytes) * (100 - kLeastBytes) / 100;
    return 100 * saved_ns > kGainOverPlain * now_.plain.step_ns;
  }
  const Trial& quickest = now_.presets.front();
  if (quickest.outcome != Trial::Outcome::kMeasured) return false;
  std::int64_t best_ns = now_.plain.step_ns;
  for (const Trial& trial : now_.presets) {
    if (trial.outcome == Trial::Outcome::kMeasured) best_ns = std::min(best_ns, trial.step_ns);
  }
  const auto* costs = std::ranges::find(kCosts, names_[preset], &Costs::preset);
  if (costs == kCosts.end()) return true;
  const std::int64_t saved_ns = link_ns(quickest.sent_bytes) * (100 - costs->bytes) / 100;
  const std::int64_t codec_ns =
      std::max(quickest.encode_ns, quickest.decode_ns) * costs->codec / 100;
  const std::int64_t least_ns = std::max(quickest.step_ns - saved_ns, codec_ns);
  return 100 * least_ns < (100 - kGainOverPreset) * best_ns;
}

Trial Planner::measured() const {
  constexpr auto kSteps = static_cast<std::int64_t>(kMeasuredSteps);
  Trial trial;
  trial.outcome = Trial::Outcome::kMeasured;
  std::int64_t raw_bytes = 0;
  for (auto [bucket, after] : instruments_.counters()) {
    const auto found = before_.find(bucket);
    const communicator::Counters before =
        found != before_.end() ? found->second : communicator::Counters{};
    const std::int64_t raw = (after.raw_bytes - before.raw_bytes) / kSteps;
    const std::int64_t sent = (after.sent_bytes - before.sent_bytes) / kSteps;
    raw_bytes += raw;
    trial.sent_bytes += sent;
    trial.encode_ns += nanoseconds(after.encode_seconds - before.encode_seconds) / kSteps;
    trial.wire_ns += nanoseconds(after.wire_seconds - before.wire_seconds) / kSteps;
    trial.decode_ns += nanoseconds(after.decode_seconds - before.decode_seconds) / kSteps;
    trial.bucket_raw_bytes.push_back(raw);
    trial.bucket_sent_bytes.push_back(sent);
  }
  std::vector<std::int64_t> numbers{median_step_ns(kMeasuredSteps), trial.sent_bytes,
                                    trial.encode_ns, trial.wire_ns, trial.decode_ns};
  const auto fixed = static_cast<std::ptrdiff_t>(numbers.size());
  const auto buckets = static_cast<std::ptrdiff_t>(trial.bucket_raw_bytes.size());
  numbers.insert(numbers.end(), trial.bucket_raw_bytes.begin(), trial.bucket_raw_bytes.end());
  numbers.insert(numbers.end(), trial.bucket_sent_bytes.begin(), trial.bucket_sent_bytes.end());
  numbers = instruments_.largest(numbers);
  trial.step_ns = numbers[0];
  trial.sent_bytes = numbers[1];
  trial.encode_ns = numbers[2];
  trial.wire_ns = numbers[3];
  trial.decode_ns = numbers[4];
  trial.bucket_raw_bytes.assign(numbers.begin() + fixed, numbers.begin() + fixed + buckets);
  trial.bucket_sent_bytes.assign(numbers.begin() + fixed + buckets, numbers.end());
  return trial;
}

void Planner::decide() {
  Method best;
  for (std::size_t preset = 0; preset < names_.size(); ++preset) {
    if (now_.presets[preset].outcome != Trial::Outcome::kMeasured) continue;
    const std::int64_t gain = best ? kGainOverPreset : kGainOverPlain;
    if (100 * now_.presets[preset].step_ns < (100 - gain) * trial(best).step_ns) best = preset;
  }
  hold(best);
  if (best) now_.plain_buckets = buckets_that_stay_plain(trial(best));
}

void Planner::hold(Method method) {
  begin_trial(method);
  now_.deciding = false;
  now_.decided_at = now_.steps;
  usual_step_ns_ = 0;
}

std::vector<bool> Planner::buckets_that_stay_plain(const Trial& trial) const {
  std::vector<bool> plain;
  for (std::size_t bucket = 0; bucket < trial.bucket_raw_bytes.size(); ++bucket) {
    const std::int64_t plain_ns =
        now_.link.reduction_ns + link_ns(allreduce_bytes(trial.bucket_raw_bytes[bucket]));
    // Each exchange is an announcement and payloads.
    const std::int64_t coded_ns =
        2 * rounds_ * now_.link.exchange_ns + link_ns(trial.bucket_sent_bytes[bucket]);
    plain.push_back(plain_ns <= coded_ns);
  }
  return plain;
}

void Planner::watch() {
  const std::size_t held = periods_.size();
  if (held % kWatchSteps != 0) return;
  const std::int64_t step_ns = instruments_.largest({median_step_ns(kWatchSteps)}).front();
  if (usual_step_ns_ == 0) usual_step_ns_ = step_ns;
  const bool drifted = differs(step_ns, usual_step_ns_);
  if (!drifted && held < patience_) return;
  const Link link = instruments_.link();
  const bool link_changed = differs(link.bytes_per_second, now_.link.bytes_per_second);
  if (!link_changed && held < patience_) return;
  patience_ = std::min(2 * patience_, kMostPatience);
  if (link_changed) {
    now_.link = link;
    begin_trials("the link changed");
  } else if (drifted) {
    begin_trials("steps took " + milliseconds(step_ns) + " instead of " +
                 milliseconds(usual_step_ns_));
  } else {
    periods_.clear();
  }
}

std::int64_t Planner::median_step_ns(std::size_t steps) const {
  std::vector<std::int64_t> last(periods_.end() - static_cast<std::ptrdiff_t>(steps),
                                 periods_.end());
  const auto middle = last.begin() + static_cast<std::ptrdiff_t>((steps - 1) / 2);
  std::ranges::nth_element(last, middle);
  return *middle;
}

std::int64_t Planner::link_ns(std::int64_t bytes) const {
  return static_cast<std::int64_t>(static_cast<double>(bytes) * 1e9 /
                                   static_cast<double>(now_.link.bytes_per_second));
}

std::int64_t Planner::allreduce_bytes(std::int64_t raw_bytes) const {
  return 2 * (world_size_ - 1) * raw_bytes / world_size_;
}

}  // namespace lmgc::hook
