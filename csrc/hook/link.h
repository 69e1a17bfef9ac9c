#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "collective/members.h"

namespace lmgc::hook {

/// What the network between ranks takes, the same numbers on every rank: those of the slowest.
struct Link {
  std::int64_t exchange_ns = 0;       ///< a transfer of a byte to and from each
  std::int64_t reduction_ns = 0;      ///< an allreduce of next to nothing
  std::int64_t bytes_per_second = 1;  ///< that a rank sends while all send to all
};

/// By traffic of its own: some 20 ms, or what 192 KiB take. `neighbours`: members on this rank's
/// host, to which it sends nothing.
[[nodiscard]] Link measure_link(const collective::Members& members,
                                const std::vector<std::size_t>& neighbours,
                                const std::stop_token& stop);

}  // namespace lmgc::hook
