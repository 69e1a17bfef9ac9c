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
  const Announcement& first = announcements.front();
  for (std::size_t rank = 0; rank < announcements.size(); ++rank) {
    const Announcement& announcement = announcements[rank];
    if (announcement.bucket != first.bucket || announcement.raw_bytes != first.raw_bytes) {
      throw AgreedError("ranks are at different buckets: " + described(members, 0, first) + ", " +
                        described(members, rank, announcement) +
                        "; wrap the same model with the same DDP arguments on every rank");
    }
    const std::int64_t limit_bytes = announcement.raw_bytes + kMaxOverheadBytes;
    if (announcement.status != Status::kReady || announcement.payload_bytes < 0 ||
        announcement.payload_bytes > limit_bytes) {
      throw AgreedError(members.name(static_cast<int>(rank)) + " announces a payload of " +
                        std::to_string(announcement.payload_bytes) + " bytes, at most " +
                        std::to_string(limit_bytes) +
                        " are possible; the connection or that process is damaged");
    }
  }
}

}  // namespace lmgc::collective
