#include "collective/announcement.h"

#include <string>

namespace lmgc::collective {

std::vector<std::int64_t> Announcement::words() const {
  std::vector<std::int64_t> words{static_cast<std::int64_t>(status), key, raw_bytes};
  words.insert(words.end(), payload_bytes.begin(), payload_bytes.end());
  return words;
}

Announcement Announcement::of_words(std::span<const std::int64_t> words) {
  return {static_cast<Status>(words[0]), words[1], words[2], {words.begin() + 3, words.end()}};
}

void check_announcements(const Members& members, std::span<const Announcement> announcements,
                         const Limit& limit) {
  for (std::size_t rank = 0; rank < announcements.size(); ++rank) {
    const Announcement& other = announcements[rank];
    for (std::size_t to = 0; to < other.payload_bytes.size(); ++to) {
      const std::int64_t bytes = other.payload_bytes[to];
      if (other.status == Status::kReady && bytes >= 0 && bytes <= limit(rank, to)) continue;
      throw AgreedError(members.name(static_cast<int>(rank)) + " announces a payload of " +
                        std::to_string(bytes) + " bytes, at most " +
                        std::to_string(limit(rank, to)) +
                        " are possible; the connection or that process is damaged");
    }
  }
}

}  // namespace lmgc::collective
