#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "collective/members.h"

namespace lmgc::collective {

/// Memory for what members send each other.
struct Room {
  at::Tensor incoming;  ///< on the host, as payloads are
  /// Where they go by a device: pinned, and on the device. An exchange that waits for a peer may
  /// keep the device from giving memory to another, so all of it is taken before.
  at::Tensor outgoing, device_incoming, device_outgoing;
};
[[nodiscard]] Room make_room(const Members& members, std::int64_t outgoing_bytes,
                             std::int64_t incoming_bytes);

/// Sends each member its payload (1-D uint8 CPU tensors; the own one is not used) and receives
/// `sizes` bytes from each into `room`, which holds them all; returns its parts, the own one
/// undefined. Throws what the group failed with, or after a stop request; the group is no longer
/// usable then.
[[nodiscard]] std::vector<at::Tensor> transfer(const Members& members,
                                               std::span<const at::Tensor> outgoing,
                                               std::span<const std::int64_t> sizes,
                                               const Room& room, const std::stop_token& stop);

}  // namespace lmgc::collective
