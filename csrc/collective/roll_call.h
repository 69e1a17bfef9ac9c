#pragma once

#include <stop_token>
#include <string>

#include "collective/members.h"

namespace lmgc::collective {

/// After a group broke, its own messages do not say whose fault it was. So each rank that notices
/// signs in the ranks' store and waits a little for the others: names those that do not sign
/// ("rank 2"), or nobody if the store does not answer.
[[nodiscard]] std::string silent_ranks(const Roster& roster, const std::stop_token& stop);

}  // namespace lmgc::collective
