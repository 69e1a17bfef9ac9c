#include "collective/transfer.h"

#include <ATen/Functions.h>

#include "collective/wait.h"

namespace lmgc::collective {

/// alltoall with split sizes: neither padding nor a copy to oneself. For one peer its payload
/// itself is the input.
std::vector<at::Tensor> transfer(const Members& members, std::span<const at::Tensor> outgoing,
                                 std::span<const std::int64_t> sizes, const at::Tensor& room,
                                 const std::stop_token& stop) {
  const auto own = static_cast<std::size_t>(members.rank());
  std::vector<at::Tensor> peers, incoming(outgoing.size());
  std::vector<std::int64_t> input_splits(outgoing.size());
  std::vector<std::int64_t> output_splits(sizes.begin(), sizes.end());
  std::int64_t at_byte = 0;
  for (std::size_t rank = 0; rank < outgoing.size(); ++rank) {
    if (rank == own) continue;
    peers.push_back(outgoing[rank]);
    input_splits[rank] = outgoing[rank].numel();
    incoming[rank] = room.narrow(0, at_byte, sizes[rank]);
    at_byte += sizes[rank];
  }
  at::Tensor input = peers.size() == 1 ? peers.front() : at::cat(peers);
  at::Tensor output = room.narrow(0, 0, at_byte);
  output_splits[own] = 0;
  wait(members.group->alltoall_base(output, input, output_splits, input_splits), stop);
  return incoming;
}

}  // namespace lmgc::collective
