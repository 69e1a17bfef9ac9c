#include "collective/exchange.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string_view>

#include "collective/wait.h"

namespace lmgc::collective {
namespace {

constexpr std::int64_t kReasonBytes = 1024;

using Payloads = std::vector<at::Tensor>;

/// A row of each rank's. alltoall, because gloo's all_gather passes rows on from rank to rank.
at::Tensor gather_rows(const Members& members, const at::Tensor& row, const std::stop_token& stop) {
  at::Tensor rows = row.repeat({members.world_size()});
  at::Tensor gathered = at::empty_like(rows);
  std::vector<std::int64_t> even;
  wait(members.group->alltoall_base(gathered, rows, even, even), stop);
  return gathered;
}

std::vector<Announcement> announce(const Members& members, const Contribution& contribution,
                                   const std::stop_token& stop) {
  const auto* payloads = std::get_if<Payloads>(&contribution.content);
  Announcement own{payloads != nullptr ? Status::kReady : Status::kFailed,
                   contribution.bucket,
                   contribution.raw_bytes,
                   {}};
  for (int rank = 0; rank < members.world_size(); ++rank) {
    const bool sends = payloads != nullptr && rank != members.rank();
    own.payload_bytes.push_back(sends ? (*payloads)[static_cast<std::size_t>(rank)].numel() : 0);
  }
  const std::vector<std::int64_t> words = own.words();
  const at::Tensor received = gather_rows(members, at::tensor(words, at::kLong), stop);
  std::vector<Announcement> announcements;
  for (std::size_t rank = 0; rank < own.payload_bytes.size(); ++rank) {
    announcements.push_back(Announcement::of_words(
        {received.const_data_ptr<std::int64_t>() + rank * words.size(), words.size()}));
  }
  return announcements;
}

/// Python refuses messages that are not UTF-8, and a text cut at its limit may not be.
std::string printable(std::string_view text) {
  std::string ascii(text);
  std::ranges::replace_if(ascii, [](char c) { return c < ' ' || c > '~'; }, '?');
  return ascii;
}

constexpr std::string_view kFailed = " failed: ";

bool is_passed_on(std::string_view reason) {
  return reason.starts_with("rank ") && reason.find(kFailed) < reason.find(':');
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
  std::vector<std::string> reasons;
  for (int rank = 0; rank < members.world_size(); ++rank) {
    if (announcements[static_cast<std::size_t>(rank)].status != Status::kFailed) continue;
    const char* text = static_cast<const char*>(rows.const_data_ptr()) + rank * kReasonBytes;
    std::string reason = printable({text, strnlen(text, kReasonBytes)});
    // One that is passed on names its rank already.
    if (!is_passed_on(reason)) reason = members.name(rank).append(kFailed) + reason;
    if (std::ranges::find(reasons, reason) == reasons.end()) reasons.push_back(std::move(reason));
  }
  std::string message;
  for (const std::string& reason : reasons) message += (message.empty() ? "" : "; ") + reason;
  throw AgreedError(message);
}

/// Memory for the payloads of an exchange, taken before the announcement: a rank that has none can
/// still tell it.
struct Buffers {
  at::Tensor input;   ///< the payloads for the peers
  at::Tensor output;  ///< what the peers may send at most; pages that they do not fill cost nothing
};

Buffers make_buffers(const Members& members, const Payloads& outgoing, const Limit& limit) {
  const auto own = static_cast<std::size_t>(members.rank());
  Payloads peers;
  std::int64_t most_bytes = 0;
  for (std::size_t rank = 0; rank < outgoing.size(); ++rank) {
    if (rank == own) continue;
    peers.push_back(outgoing[rank]);
    most_bytes += limit(rank, own);
  }
  return {peers.size() == 1 ? peers.front() : at::cat(peers), at::empty({most_bytes}, at::kByte)};
}

/// alltoall with split sizes: neither padding nor a copy to oneself. For one peer its payload
/// itself is the input.
Payloads swap(const Members& members, Buffers& buffers, const Payloads& outgoing,
              const std::vector<std::int64_t>& sizes, const std::stop_token& stop) {
  const auto own = static_cast<std::size_t>(members.rank());
  std::vector<std::int64_t> input_splits(outgoing.size());
  std::vector<std::int64_t> output_splits = sizes;
  for (std::size_t rank = 0; rank < outgoing.size(); ++rank) {
    if (rank != own) input_splits[rank] = outgoing[rank].numel();
  }
  at::Tensor output =
      buffers.output.narrow(0, 0, std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}));
  wait(members.group->alltoall_base(output, buffers.input, output_splits, input_splits), stop);

  Payloads incoming(outgoing.size());
  std::int64_t at_byte = 0;
  for (std::size_t rank = 0; rank < outgoing.size(); ++rank) {
    if (rank != own) incoming[rank] = output.narrow(0, at_byte, sizes[rank]);
    at_byte += sizes[rank];
  }
  return incoming;
}

}  // namespace

Exchanged exchange(const Members& members, Contribution contribution, const Limit& limit,
                   const std::stop_token& stop) {
  Buffers buffers;
  if (const auto* payloads = std::get_if<Payloads>(&contribution.content)) {
    try {
      buffers = make_buffers(members, *payloads, limit);
    } catch (const std::exception&) {
      contribution.content = "not enough memory to exchange payloads";
    }
  }
  const std::vector<Announcement> announcements = announce(members, contribution, stop);
  if (std::ranges::any_of(announcements, [](const Announcement& announcement) {
        return announcement.status == Status::kFailed;
      })) {
    throw_reasons(members, contribution, announcements, stop);
  }
  check_announcements(members, announcements, limit);
  const auto& outgoing = std::get<Payloads>(contribution.content);
  const auto own = static_cast<std::size_t>(members.rank());
  Exchanged exchanged;
  for (const Announcement& announcement : announcements) {
    exchanged.sizes.push_back(announcement.payload_bytes[own]);
  }
  for (const std::int64_t bytes : announcements[own].payload_bytes) exchanged.sent_bytes += bytes;
  exchanged.sent_bytes +=
      static_cast<std::int64_t>(announcements[own].words().size() * sizeof(std::int64_t)) *
      (members.world_size() - 1);
  exchanged.payloads = swap(members, buffers, outgoing, exchanged.sizes, stop);
  return exchanged;
}

}  // namespace lmgc::collective
