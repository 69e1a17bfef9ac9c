#pragma once

#include <cstdint>
#include <map>
#include <mutex>

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

  void add(std::int64_t bucket, const Counters& counters) {
    const std::lock_guard lock(mutex_);
    counters_[bucket] += counters;
  }

  [[nodiscard]] Snapshot snapshot() {
    const std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  std::mutex mutex_;
  Snapshot counters_;
};

}  // namespace lmgc::communicator
