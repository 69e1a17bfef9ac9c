#include "collective/transfer.h"

#include <ATen/Functions.h>

#include <numeric>

#include "collective/wait.h"

namespace lmgc::collective {

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

/// alltoall with split sizes: neither padding nor a copy to oneself.
std::vector<at::Tensor> transfer(const Members& members, Packed outgoing,
                                 std::vector<std::int64_t> sizes, const at::Tensor& room,
                                 const std::stop_token& stop) {
  at::Tensor received =
      room.narrow(0, 0, std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}));
  wait(members.group->alltoall_base(received, outgoing.bytes, sizes, outgoing.sizes), stop);
  std::vector<at::Tensor> incoming(sizes.size());
  std::int64_t start = 0;
  for (std::size_t rank = 0; rank < sizes.size(); ++rank) {
    if (rank != static_cast<std::size_t>(members.rank())) {
      incoming[rank] = received.narrow(0, start, sizes[rank]);
    }
    start += sizes[rank];
  }
  return incoming;
}

}  // namespace lmgc::collective
