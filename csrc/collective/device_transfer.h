#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <cstdint>
#include <span>
#include <stop_token>
#include <torch/csrc/distributed/c10d/Work.hpp>
#include <vector>

#include "collective/members.h"
#include "collective/transfer.h"

namespace lmgc::collective {

/// For an exchange by the device's backend, beside all else that the device does.
[[nodiscard]] c10::Stream new_stream(c10::Device device);

[[nodiscard]] Room make_device_room(const c10::Stream& stream, std::int64_t outgoing_bytes,
                                    std::int64_t incoming_bytes);

/// transfer() by the device of the members' stream. The backend's own watchdog must be off: this
/// keeps its timeout, and ends the backend where it throws.
[[nodiscard]] std::vector<at::Tensor> transfer_by_device(const Members& members,
                                                         std::span<const at::Tensor> outgoing,
                                                         std::span<const std::int64_t> sizes,
                                                         const Room& room,
                                                         const std::stop_token& stop);

/// Waits until the device has done `work` of its backend; throws what that failed with, after the
/// backend's timeout, or after a stop request. The backend is broken then.
void finish_on_device(const Members& members, const c10::intrusive_ptr<c10d::Work>& work,
                      const std::stop_token& stop);

/// Lets go what the device's backend holds there, if there is one: what is under way to peers goes
/// on, unless the group is `broken`. Takes a few seconds at most; a backend that takes longer is
/// left to the process.
void end_device(const Members& members, bool broken);

}  // namespace lmgc::collective
