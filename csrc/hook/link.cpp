#include "hook/link.h"

#include <ATen/Functions.h>
#include <c10/core/StreamGuard.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "collective/agreement.h"
#include "collective/device_transfer.h"
#include "collective/transfer.h"

namespace lmgc::hook {
namespace {

constexpr int kRepeats = 5;
constexpr std::int64_t kEnoughNs = 20'000'000;
constexpr std::int64_t kFirstBytes = 192 << 10, kLastBytes = 24 << 20;  // for all peers

template <typename Work>
std::int64_t nanoseconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
}

/// An allreduce as DDP's own: by the device, if payloads go by one.
void reduce(const collective::Members& members, const std::stop_token& stop) {
  if (!members.stream) {
    static_cast<void>(collective::largest(members, {0}, stop));
    return;
  }
  const c10::StreamGuard guard(*members.stream);
  std::vector<at::Tensor> one{at::zeros({1}, members.stream->device())};
  collective::finish_on_device(members, members.group->allreduce(one), stop);
}

}  // namespace

Link measure_link(const collective::Members& members, const std::vector<std::size_t>& neighbours,
                  const std::stop_token& stop) {
  std::vector<bool> far(static_cast<std::size_t>(members.world_size()), true);
  far[static_cast<std::size_t>(members.rank())] = false;
  for (const std::size_t rank : neighbours) far[rank] = false;
  const std::int64_t peers = std::ranges::count(far, true);

  const auto exchange = [&](std::int64_t bytes_each) {
    std::vector<std::int64_t> sizes;
    for (const bool is_far : far) sizes.push_back(is_far ? bytes_each : 0);
    const collective::Room room =
        collective::make_room(members, peers * bytes_each, peers * bytes_each);
    const at::Tensor some = at::zeros({bytes_each}, at::kByte), none = at::empty({0}, at::kByte);
    std::vector<at::Tensor> outgoing;
    for (const bool is_far : far) outgoing.push_back(is_far ? some : none);
    return nanoseconds(
        [&] { static_cast<void>(collective::transfer(members, outgoing, sizes, room, stop)); });
  };

  std::int64_t exchange_ns = std::numeric_limits<std::int64_t>::max();
  std::int64_t reduction_ns = exchange_ns;
  for (int i = 0; i < kRepeats; ++i) {
    reduction_ns = std::min(reduction_ns, nanoseconds([&] { reduce(members, stop); }));
    exchange_ns = std::min(exchange_ns, exchange(1));
  }
  std::int64_t bytes = kFirstBytes / 2, taken_ns = 0;
  while (taken_ns < kEnoughNs && bytes < kLastBytes) {
    bytes *= 2;
    taken_ns = collective::largest(members, {exchange(bytes / peers)}, stop).front();
  }
  const std::vector<std::int64_t> agreed =
      collective::largest(members, {exchange_ns, reduction_ns}, stop);
  const std::int64_t transfer_ns = std::max<std::int64_t>(taken_ns - agreed[0], 1);
  return {agreed[0], agreed[1], std::max<std::int64_t>(bytes * 1'000'000'000 / transfer_ns, 1)};
}

}  // namespace lmgc::hook
