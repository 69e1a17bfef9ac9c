#include "collective/all_gather.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "collective/wait.h"

namespace lmgc::collective {
namespace {

constexpr std::int64_t kReasonBytes = 1024;

const at::Tensor* payload_of(const Contribution& contribution) {
  return std::get_if<at::Tensor>(&contribution.content);
}

at::Tensor gather_rows(const Members& members, at::Tensor row, const std::stop_token& stop) {
  at::Tensor rows = at::empty({members.world_size() * row.numel()}, row.options());
  wait(members.group->_allgather_base(rows, row), stop);
  return rows;
}

std::vector<Announcement> announce(const Members& members, const Contribution& contribution,
                                   const std::stop_token& stop) {
  const at::Tensor* payload = payload_of(contribution);
  const Announcement own{payload != nullptr ? Status::kReady : Status::kFailed, contribution.bucket,
                         contribution.raw_bytes, payload != nullptr ? payload->numel() : 0};
  at::Tensor row = at::empty({kAnnouncementWords}, at::kLong);
  std::memcpy(row.mutable_data_ptr(), &own, sizeof(own));
  const at::Tensor rows = gather_rows(members, row, stop);
  std::vector<Announcement> announcements(static_cast<std::size_t>(members.world_size()));
  std::memcpy(announcements.data(), rows.const_data_ptr(), rows.nbytes());
  return announcements;
}

/// Python refuses messages that are not UTF-8, and a text cut at its limit may not be.
std::string printable(std::string_view text) {
  std::string ascii(text);
  std::ranges::replace_if(ascii, [](char c) { return c < ' ' || c > '~'; }, '?');
  return ascii;
}

[[noreturn]] void throw_reasons(const Members& members, const Contribution& contribution,
                                const std::vector<Announcement>& announcements,
                                const std::stop_token& stop) {
  at::Tensor row = at::zeros({kReasonBytes}, at::kByte);
  if (const auto* reason = std::get_if<std::string>(&contribution.content)) {
    std::memcpy(row.mutable_data_ptr(), reason->data(),
                std::min(reason->size(), static_cast<std::size_t>(kReasonBytes)));
  }
  const at::Tensor rows = gather_rows(members, row, stop);
  std::string message;
  for (int rank = 0; rank < members.world_size(); ++rank) {
    if (announcements[static_cast<std::size_t>(rank)].status != Status::kFailed) continue;
    const char* text = static_cast<const char*>(rows.const_data_ptr()) + rank * kReasonBytes;
    if (!message.empty()) message += "; ";
    message += members.name(rank) + " failed: ";
    message += printable({text, strnlen(text, kReasonBytes)});
  }
  throw AgreedError(message);
}

/// alltoall with split sizes: neither padding nor a copy to oneself. For one peer the payload
/// itself is the input.
std::vector<at::Tensor> exchange(const Members& members, const at::Tensor& payload,
                                 const std::vector<Announcement>& announcements,
                                 const std::stop_token& stop) {
  const auto own = static_cast<std::size_t>(members.rank());
  std::vector<std::int64_t> input_splits(announcements.size(), payload.numel());
  input_splits[own] = 0;
  std::vector<std::int64_t> output_splits(announcements.size());
  std::int64_t received_bytes = 0;
  for (std::size_t rank = 0; rank < announcements.size(); ++rank) {
    output_splits[rank] = rank == own ? 0 : announcements[rank].payload_bytes;
    received_bytes += output_splits[rank];
  }
  at::Tensor input =
      members.world_size() == 2 ? payload : payload.repeat({members.world_size() - 1});
  at::Tensor output = at::empty({received_bytes}, payload.options());
  wait(members.group->alltoall_base(output, input, output_splits, input_splits), stop);

  std::vector<at::Tensor> payloads;
  std::int64_t at_byte = 0;
  for (std::size_t rank = 0; rank < announcements.size(); ++rank) {
    payloads.push_back(rank == own ? payload : output.narrow(0, at_byte, output_splits[rank]));
    at_byte += output_splits[rank];
  }
  return payloads;
}

}  // namespace

Gathered all_gather(const Members& members, const Contribution& contribution,
                    const std::stop_token& stop) {
  const std::vector<Announcement> announcements = announce(members, contribution, stop);
  if (std::ranges::any_of(announcements, [](const Announcement& announcement) {
        return announcement.status == Status::kFailed;
      })) {
    throw_reasons(members, contribution, announcements, stop);
  }
  check_announcements(members, announcements);
  const at::Tensor& payload = *payload_of(contribution);
  const std::int64_t peers = members.world_size() - 1;
  return {exchange(members, payload, announcements, stop),
          peers * (payload.numel() + static_cast<std::int64_t>(sizeof(Announcement)))};
}

}  // namespace lmgc::collective
