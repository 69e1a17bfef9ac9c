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

/// A rank is ready to receive before it sends, or that notice would wait behind its payloads: the
/// two ways of a connection are used at a time.
std::vector<at::Tensor> transfer(const Members& members, std::span<const at::Tensor> outgoing,
                                 std::span<const std::int64_t> sizes, const at::Tensor& room,
                                 const std::stop_token& stop) {
  std::vector<at::Tensor> incoming(outgoing.size());
  std::vector<WorkPtr> works;
  std::int64_t start = 0;
  for (int rank = 0; rank < members.world_size(); ++rank) {
    const auto peer = static_cast<std::size_t>(rank);
    if (rank == members.rank()) continue;
    incoming[peer] = room.narrow(0, start, sizes[peer]);
    start += sizes[peer];
    std::vector<at::Tensor> tensors{incoming[peer]};
    if (sizes[peer] > 0) works.push_back(members.group->recv(tensors, rank, kTag));
  }
  for (int rank = 0; rank < members.world_size(); ++rank) {
    std::vector<at::Tensor> tensors{outgoing[static_cast<std::size_t>(rank)]};
    if (rank == members.rank() || tensors.front().numel() == 0) continue;
    works.push_back(members.group->send(tensors, rank, kTag));
  }
  for (const WorkPtr& work : works) finish(work, stop);
  return incoming;
}

}  // namespace lmgc::collective
