#include "collective/announcement.h"

#include <string>

namespace lmgc::collective {
namespace {

std::string described(const Members& members, std::size_t rank, const Announcement& announcement) {
  return members.name(static_cast<int>(rank)) + " has bucket " +
         std::to_string(announcement.bucket) + " with " + std::to_string(announcement.raw_bytes) +
         " bytes";
}

}  // namespace

void check_announcements(const Members& members, std::span<const Announcement> announcements) {
  const auto own_rank = static_cast<std::size_t>(members.rank());
  const Announcement& own = announcements[own_rank];  // the one that is not from the wire
  const std::int64_t limit_bytes = own.raw_bytes + kMaxOverheadBytes;
  for (std::size_t rank = 0; rank < announcements.size(); ++rank) {
    const Announcement& other = announcements[rank];
    if (other.bucket != own.bucket || other.raw_bytes != own.raw_bytes) {
      throw AgreedError("ranks are at different buckets: " + described(members, own_rank, own) +
                        ", " + described(members, rank, other) +
                        "; wrap the same model with the same DDP arguments on every rank");
    }
    if (other.status != Status::kReady || other.payload_bytes < 0 ||
        other.payload_bytes > limit_bytes) {
      throw AgreedError(members.name(static_cast<int>(rank)) + " announces a payload of " +
                        std::to_string(other.payload_bytes) + " bytes, at most " +
                        std::to_string(limit_bytes) +
                        " are possible; the connection or that process is damaged");
    }
  }
}

}  // namespace lmgc::collective
