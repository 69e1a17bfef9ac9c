#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace lmgc::communicator {

/// What averaging buckets took. Seconds are those of the hook's threads, which overlap.
struct Counters {
  std::int64_t buckets = 0;
  std::int64_t plain_buckets = 0;  ///< of those: by a plain allreduce
  std::int64_t raw_bytes = 0;
  std::int64_t coded_bytes = 0;  ///< raw bytes of the values in payloads
  std::int64_t payload_bytes = 0;
  std::int64_t sent_bytes = 0;  ///< to all peers, announcements included
  double encode_seconds = 0;
  double wire_seconds = 0;
  double decode_seconds = 0;
  double observe_seconds = 0;

  Counters& operator+=(const Counters& other) {
    buckets += other.buckets;
    plain_buckets += other.plain_buckets;
    raw_bytes += other.raw_bytes;
    coded_bytes += other.coded_bytes;
    payload_bytes += other.payload_bytes;
    sent_bytes += other.sent_bytes;
    encode_seconds += other.encode_seconds;
    wire_seconds += other.wire_seconds;
    decode_seconds += other.decode_seconds;
    observe_seconds += other.observe_seconds;
    return *this;
  }
};

/// Counters by bucket index. Thread-safe.
class Stats {
 public:
  using Snapshot = std::map<std::int64_t, Counters>;
  /// None: not known yet, ask again.
  using Seconds = std::function<std::optional<double>()>;

  void add(std::int64_t bucket, const Counters& counters) {
    const std::lock_guard lock(mutex_);
    counters_[bucket] += counters;
  }

  /// The same, and `wire_seconds` once they are known.
  void add(std::int64_t bucket, const Counters& counters, Seconds wire_seconds) {
    const std::lock_guard lock(mutex_);
    counters_[bucket] += counters;
    on_the_wire_.emplace_back(bucket, std::move(wire_seconds));
    collect();
  }

  [[nodiscard]] Snapshot snapshot() {
    const std::lock_guard lock(mutex_);
    collect();
    return counters_;
  }

 private:
  /// They end in the order in which they began.
  void collect() {
    while (!on_the_wire_.empty()) {
      const auto& [bucket, wire_seconds] = on_the_wire_.front();
      const std::optional<double> seconds = wire_seconds();
      if (!seconds) return;
      counters_[bucket].wire_seconds += *seconds;
      on_the_wire_.pop_front();
    }
  }

  std::mutex mutex_;
  Snapshot counters_;
  std::deque<std::pair<std::int64_t, Seconds>> on_the_wire_;
};

}  // namespace lmgc::communicator
