#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <stop_token>
#include <vector>

#include "collective/members.h"

namespace lmgc::collective {

/// Payloads for all members, one after another; none for the own rank.
struct Packed {
  at::Tensor bytes;
  std::vector<std::int64_t> sizes;
};

/// Of 1-D uint8 CPU tensors, one for each member; the own one is not used. For one peer its payload
/// itself.
[[nodiscard]] Packed pack(const Members& members, std::span<const at::Tensor> payloads);

/// Sends each member its payload and receives `sizes` bytes from each, 0 from oneself, into `room`,
/// which holds them all; returns its parts, the own one undefined. Throws what the group failed
/// with, or after a stop request; the group is no longer usable then.
[[nodiscard]] std::vector<at::Tensor> transfer(const Members& members, const Packed& outgoing,
                                               const std::vector<std::int64_t>& sizes,
                                               const at::Tensor& room, const std::stop_token& stop);

}  // namespace lmgc::collective
