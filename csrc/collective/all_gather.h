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

/// What a rank contributes: a payload (1-D uint8 CPU tensor), or why it has none.
struct Contribution {
  std::int64_t bucket = 0;
  std::int64_t raw_bytes = 0;
  std::variant<at::Tensor, std::string> content;
};

struct Gathered {
  std::vector<at::Tensor> payloads;  ///< one per rank, this rank's own included
  std::int64_t sent_bytes = 0;       ///< handed to the group by this rank, for all of its peers
};

/// Every rank's payload on every rank. Announcements travel first, then each rank sends its payload
/// to each peer without padding. When a rank contributes a reason, all ranks throw AgreedError with
/// that rank's name and reason. Any other exception means that the group is no longer usable.
[[nodiscard]] Gathered all_gather(const Members& members, const Contribution& contribution,
                                  const std::stop_token& stop);

}  // namespace lmgc::collective
