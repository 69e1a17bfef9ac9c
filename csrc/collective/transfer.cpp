#include "collective/transfer.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <stdexcept>
#include <torch/csrc/distributed/c10d/Work.hpp>

#include "collective/device_transfer.h"

namespace lmgc::collective {
namespace {

using WorkPtr = c10::intrusive_ptr<c10d::Work>;

constexpr int kTag = 0;
constexpr int kMostTurns = 7;  // each takes a round trip

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

Room make_room(const Members& members, std::int64_t outgoing_bytes, std::int64_t incoming_bytes) {
  if (members.stream) return make_device_room(*members.stream, outgoing_bytes, incoming_bytes);
  Room room;
  room.incoming = at::empty({incoming_bytes}, at::kByte);
  return room;
}

/// In turns of few peers to send to and to receive from: payloads that meet at a receiver hinder
/// each other. A rank is ready to receive before it sends, or that notice would wait behind a
/// payload and the two ways of a connection would not be used at a time.
std::vector<at::Tensor> transfer(const Members& members, std::span<const at::Tensor> outgoing,
                                 std::span<const std::int64_t> sizes, const Room& room,
                                 const std::stop_token& stop) {
  if (members.stream) return transfer_by_device(members, outgoing, sizes, room, stop);
  const int own = members.rank(), count = members.world_size();
  std::vector<at::Tensor> incoming(outgoing.size());
  std::int64_t start = 0;
  const int peers = (count - 1 + kMostTurns - 1) / kMostTurns;  // a turn
  for (int first = 1; first < count; first += peers) {
    const int end = std::min(first + peers, count);
    std::vector<WorkPtr> works;
    for (int distance = first; distance < end; ++distance) {
      const auto from = static_cast<std::size_t>((own + count - distance) % count);
      incoming[from] = room.incoming.narrow(0, start, sizes[from]);
      start += sizes[from];
      std::vector<at::Tensor> in{incoming[from]};
      if (sizes[from] > 0) works.push_back(members.group->recv(in, static_cast<int>(from), kTag));
    }
    for (int distance = first; distance < end; ++distance) {
      const int to = (own + distance) % count;
      std::vector<at::Tensor> out{outgoing[static_cast<std::size_t>(to)]};
      if (out.front().numel() > 0) works.push_back(members.group->send(out, to, kTag));
    }
    for (const WorkPtr& work : works) finish(work, stop);
  }
  return incoming;
}

}  // namespace lmgc::collective
