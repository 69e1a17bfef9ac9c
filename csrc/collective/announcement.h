#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>

#include "collective/members.h"

namespace lmgc::collective {

/// What a payload may be longer than its raw bytes: its header.
inline constexpr std::int64_t kMaxOverheadBytes = 64;

enum class Status : std::int64_t { kReady = 0, kFailed = 1 };

/// The fixed message by which each rank says what it is about to send.
struct Announcement {
  Status status = Status::kReady;
  std::int64_t bucket = 0;
  std::int64_t raw_bytes = 0;
  std::int64_t payload_bytes = 0;
};
inline constexpr std::int64_t kAnnouncementWords = 4;
static_assert(sizeof(Announcement) == kAnnouncementWords * sizeof(std::int64_t));

/// A failure that every rank sees in the same place: the group stays usable.
class AgreedError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws AgreedError unless all ranks are ready with the same bucket and with payloads of at most
/// raw + kMaxOverheadBytes bytes. A failed rank is not looked at: it has a reason of its own.
void check_announcements(const Members& members, std::span<const Announcement> announcements);

}  // namespace lmgc::collective
