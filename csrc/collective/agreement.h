#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "collective/members.h"

namespace lmgc::collective {

/// The largest of what members have, number by number: the same on all. Throws what the group
/// failed with; it is no longer usable then.
[[nodiscard]] std::vector<std::int64_t> largest(const Members& members,
                                                const std::vector<std::int64_t>& numbers,
                                                const std::stop_token& stop);

}  // namespace lmgc::collective
