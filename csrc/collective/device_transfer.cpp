#include "collective/device_transfer.h"

#include <ATen/Functions.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <chrono>
#include <exception>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace lmgc::collective {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::microseconds kPause{30};
constexpr std::chrono::seconds kPatience{3};  // with a backend that ends

c10::intrusive_ptr<c10d::Backend> backend_of(const Members& members) {
  return members.group->getBackend(members.stream->device_type());
}

/// Calls done() until it is true. Nobody else sees to a stop or to the time.
template <typename Done>
void poll(const Members& members, const std::stop_token& stop, const Done& done) {
  const auto timeout = backend_of(members)->getBackendOptions()->timeout;
  const auto end = Clock::now() + timeout;
  while (!done()) {
    if (stop.stop_requested()) throw std::runtime_error("closed while waiting for the other ranks");
    if (Clock::now() > end) {
      throw std::runtime_error("Timed out waiting " + std::to_string(timeout.count()) +
                               "ms for payloads by " + members.stream->device().str());
    }
    std::this_thread::sleep_for(kPause);
  }
}

/// `room`: what the backend may still use.
void end(const Members& members, bool broken, const Room& room) {
  std::promise<void> promise;
  const std::future<void> ended = promise.get_future();
  try {
    std::thread([own = Members(members), broken, kept = Room(room),
                 promise = std::move(promise)]() mutable {
      try {
        broken ? backend_of(own)->abort() : backend_of(own)->shutdown();
      } catch (const std::exception&) {
        // It is of no use any more, whatever it says.
      }
      own = {};  // so that the caller lets go of it last
      kept = {};
      promise.set_value();
    }).detach();
  } catch (const std::exception&) {
    return;  // no memory for a thread
  }
  ended.wait_for(kPatience);
}

}  // namespace

c10::Stream new_stream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

Room make_device_room(const c10::Stream& stream, std::int64_t outgoing_bytes,
                      std::int64_t incoming_bytes) {
  const c10::StreamGuard guard(stream);
  const at::TensorOptions device = at::TensorOptions(at::kByte).device(stream.device());
  const at::TensorOptions host = at::TensorOptions(at::kByte).pinned_memory(true);
  return {at::empty({incoming_bytes}, host), at::empty({outgoing_bytes}, host),
          at::empty({incoming_bytes}, device), at::empty({outgoing_bytes}, device)};
}

std::vector<at::Tensor> transfer_by_device(const Members& members,
                                           std::span<const at::Tensor> outgoing,
                                           std::span<const std::int64_t> sizes, const Room& room,
                                           const std::stop_token& stop) {
  const auto own = static_cast<std::size_t>(members.rank());
  std::vector<at::Tensor> incoming(outgoing.size());
  std::vector<std::int64_t> in_sizes(sizes.begin(), sizes.end()), out_sizes(outgoing.size());
  std::int64_t in_bytes = 0, out_bytes = 0;
  for (std::size_t rank = 0; rank < outgoing.size(); ++rank) {
    if (rank == own) continue;
    incoming[rank] = room.incoming.narrow(0, in_bytes, sizes[rank]);
    in_bytes += sizes[rank];
    out_sizes[rank] = outgoing[rank].numel();
    room.outgoing.narrow(0, out_bytes, out_sizes[rank]).copy_(outgoing[rank]);
    out_bytes += out_sizes[rank];
  }
  const c10::StreamGuard guard(*members.stream);
  at::Tensor arriving = room.device_incoming.narrow(0, 0, in_bytes);
  at::Tensor leaving = room.device_outgoing;
  try {
    leaving.copy_(room.outgoing, /*non_blocking=*/true);
    finish_on_device(members, members.group->alltoall_base(arriving, leaving, in_sizes, out_sizes),
                     stop);
    room.incoming.narrow(0, 0, in_bytes).copy_(arriving, /*non_blocking=*/true);
    c10::Event copied(members.stream->device_type());
    copied.record(*members.stream);
    poll(members, stop, [&] { return copied.query(); });
  } catch (const std::exception&) {
    end(members, true, room);
    throw;
  }
  return incoming;
}

void finish_on_device(const Members& members, const c10::intrusive_ptr<c10d::Work>& work,
                      const std::stop_token& stop) {
  // Its wait() has only the current stream wait, or sees no stop request.
  poll(members, stop, [&] { return work->isCompleted(); });
  if (work->exception()) std::rethrow_exception(work->exception());
}

void end_device(const Members& members, bool broken) {
  if (members.stream) end(members, broken, {});
}

}  // namespace lmgc::collective
