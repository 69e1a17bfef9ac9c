#include "collective/transfer.h"

#include <ATen/Functions.h>

#include <stdexcept>
#include <torch/csrc/distributed/c10d/Work.hpp>

namespace lmgc::collective {
namespace {

using WorkPtr = c10::intrusive_ptr<c10d::Work>;

constexpr int kTag = 0;

/// gloo's sends and receives have no futures.
void finish(const WorkPtr& work, const std::stop_token& stop) {
  const std::stop_callback abort(stop, [&] {
    try {
      work->abort();
    } catch (const std::exception&) {
      // A backend that cannot: the wait ends at the group's timeout.
    }
  });
  if (!work->wait()) throw std::runtime_error("closed while waiting for the other ranks");
}

}  // namespace

/// In turns of one peer to send to and one to receive from: payloads that meet at a receiver hinder
/// each other. A rank is ready to receive before it sends, or that notice would wait behind the
/// payload and the two ways of a connection would not be used at a time.
std::vector<at::Tensor> transfer(const Members& members, std::span<const at::Tensor> outgoing,
                                 std::span<const std::int64_t> sizes, const at::Tensor& room,
                                 const std::stop_token& stop) {
  const int own = members.rank(), count = members.world_size();
  std::vector<at::Tensor> incoming(outgoing.size());
  std::int64_t start = 0;
  for (int turn = 1; turn < count; ++turn) {
    const int from = (own + count - turn) % count, to = (own + turn) % count;
    const auto source = static_cast<std::size_t>(from);
    std::vector<at::Tensor> in{room.narrow(0, start, sizes[source])};
    std::vector<at::Tensor> out{outgoing[static_cast<std::size_t>(to)]};
    incoming[source] = in.front();
    start += sizes[source];
    WorkPtr receiving, sending;
    if (in.front().numel() > 0) receiving = members.group->recv(in, from, kTag);
    if (out.front().numel() > 0) sending = members.group->send(out, to, kTag);
    if (receiving) finish(receiving, stop);
    if (sending) finish(sending, stop);
  }
  return incoming;
}

}  // namespace lmgc::collective
