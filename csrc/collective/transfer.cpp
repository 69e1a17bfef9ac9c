#include "collective/transfer.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <numeric>

#include "collective/wait.h"

namespace lmgc::collective {
namespace {

std::int64_t sum(std::span<const std::int64_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
}

/// What the members in [first, end) have of `bytes`.
Packed part(const at::Tensor& bytes, std::span<const std::int64_t> sizes, std::size_t first,
            std::size_t end) {
  const std::span own = sizes.subspan(first, end - first);
  Packed part{bytes.narrow(0, sum(sizes.first(first)), sum(own)),
              std::vector<std::int64_t>(sizes.size())};
  std::ranges::copy(own, part.sizes.begin() + static_cast<std::ptrdiff_t>(first));
  return part;
}

}  // namespace

Packed pack(const Members& members, std::span<const at::Tensor> payloads) {
  Packed packed;
  std::vector<at::Tensor> peers;
  for (std::size_t rank = 0; rank < payloads.size(); ++rank) {
    const bool own = rank == static_cast<std::size_t>(members.rank());
    packed.sizes.push_back(own ? 0 : payloads[rank].numel());
    if (!own) peers.push_back(payloads[rank]);
  }
  packed.bytes = peers.size() == 1 ? peers.front() : at::cat(peers);
  return packed;
}

/// alltoall with split sizes: neither padding nor a copy to oneself. One sends to higher ranks and
/// one to lower: gloo asks for a payload by the connection on which it sends, behind what it sends,
/// and two collectives of the group in a row do not share connections.
std::vector<at::Tensor> transfer(const Members& members, const Packed& outgoing,
                                 const std::vector<std::int64_t>& sizes, const at::Tensor& room,
                                 const std::stop_token& stop) {
  const auto own = static_cast<std::size_t>(members.rank()), count = sizes.size();
  const auto start = [&](Packed sent, Packed received) {
    return members.group->alltoall_base(received.bytes, sent.bytes, received.sizes, sent.sizes);
  };
  const auto up =
      start(part(outgoing.bytes, outgoing.sizes, own, count), part(room, sizes, 0, own));
  const auto down =
      start(part(outgoing.bytes, outgoing.sizes, 0, own), part(room, sizes, own, count));
  wait(up, stop);
  wait(down, stop);
  std::vector<at::Tensor> incoming(count);
  for (std::size_t rank = 0; rank < count; ++rank) {
    if (rank != own) incoming[rank] = part(room, sizes, rank, rank + 1).bytes;
  }
  return incoming;
}

}  // namespace lmgc::collective
