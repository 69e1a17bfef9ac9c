#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "collective/announcement.h"
#include "collective/members.h"

namespace lmgc::collective {

/// What a rank has for the others.
struct Contribution {
  std::int64_t key = 0;        ///< equal on ranks that do the same
  std::int64_t raw_bytes = 0;  ///< of the values
  std::string subject;         ///< what the key stands for: "bucket 3"
  std::string noun;            ///< "bucket"
  std::string remedy;          ///< when ranks do different things
  /// A payload (1-D uint8 CPU tensor) for each rank, the own one not used; or why there are none.
  std::variant<std::vector<at::Tensor>, std::string> content;
};

struct Exchanged {
  std::vector<at::Tensor> payloads;  ///< from each rank; the own one is undefined
  std::vector<std::int64_t> sizes;   ///< of the payloads, 0 for the own one
  std::int64_t sent_bytes = 0;       ///< handed to the group by this rank, for all of its peers
};

/// Every rank's payload for this rank. Announcements travel first, then payloads without padding.
/// When a rank contributes a reason, lacks memory for payloads, or is at another key or raw bytes
/// than others, all ranks throw AgreedError with names and reasons. Any other exception means that
/// the group is no longer usable.
[[nodiscard]] Exchanged exchange(const Members& members, Contribution contribution,
                                 const Limit& limit, const std::stop_token& stop);

}  // namespace lmgc::collective
