#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <vector>

#include "collective/members.h"

namespace lmgc::collective {

enum class Status : std::int64_t { kReady = 0, kFailed = 1 };

/// The message by which each rank tells all others what it is about to send. On the wire it is a
/// row of 3 + world size 64-bit integers.
struct Announcement {
  Status status = Status::kReady;
  std::int64_t key = 0;  ///< of what the rank is at
  std::int64_t raw_bytes = 0;
  std::vector<std::int64_t> payload_bytes;  ///< for each rank

  [[nodiscard]] std::vector<std::int64_t> words() const;
  static Announcement of_words(std::span<const std::int64_t> words);
};

/// A failure that every rank sees in the same place: the group stays usable.
class AgreedError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Most bytes that a payload from one rank to another can have.
using Limit = std::function<std::int64_t(std::size_t from, std::size_t to)>;

/// Throws AgreedError unless all payloads are within the limit. No rank has failed: that is told
/// otherwise.
void check_announcements(const Members& members, std::span<const Announcement> announcements,
                         const Limit& limit);

}  // namespace lmgc::collective
