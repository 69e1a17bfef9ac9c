#include "collective/exchange.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "collective/transfer.h"
#include "collective/wait.h"

namespace lmgc::collective {
namespace {

constexpr std::int64_t kTextBytes = 1024;

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
                   contribution.key,
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

std::vector<std::string> gather_texts(const Members& members, const std::string& own,
                                      const std::stop_token& stop) {
  at::Tensor row = at::zeros({kTextBytes}, at::kByte);
  std::memcpy(row.mutable_data_ptr(), own.data(),
              std::min(own.size(), static_cast<std::size_t>(kTextBytes)));
  const at::Tensor rows = gather_rows(members, row, stop);
  std::vector<std::string> texts;
  for (int rank = 0; rank < members.world_size(); ++rank) {
    const char* text = static_cast<const char*>(rows.const_data_ptr()) + rank * kTextBytes;
    texts.push_back(printable({text, strnlen(text, kTextBytes)}));
  }
  return texts;
}

[[noreturn]] void throw_reasons(const Members& members, const Contribution& contribution,
                                const std::vector<Announcement>& announcements,
                                const std::stop_token& stop) {
  const auto* own = std::get_if<std::string>(&contribution.content);
  const std::vector<std::string> texts = gather_texts(members, own != nullptr ? *own : "", stop);
  std::vector<std::string> reasons;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    if (announcements[rank].status != Status::kFailed) continue;
    // One that is passed on names its rank already.
    std::string reason = texts[rank];
    if (!is_passed_on(reason)) {
      reason = members.name(static_cast<int>(rank)).append(kFailed) + reason;
    }
    if (std::ranges::find(reasons, reason) == reasons.end()) reasons.push_back(std::move(reason));
  }
  std::string message;
  for (const std::string& reason : reasons) message += (message.empty() ? "" : "; ") + reason;
  throw AgreedError(message);
}

/// Returns if all ranks are at the same.
void throw_differences(const Members& members, const Contribution& contribution,
                       const std::vector<Announcement>& announcements,
                       const std::stop_token& stop) {
  const auto own = static_cast<std::size_t>(members.rank());
  const auto other = std::ranges::find_if(announcements, [&](const Announcement& announcement) {
    return announcement.key != announcements[own].key ||
           announcement.raw_bytes != announcements[own].raw_bytes;
  });
  if (other == announcements.end()) return;
  const std::vector<std::string> texts = gather_texts(
      members, contribution.subject + " with " + std::to_string(contribution.raw_bytes) + " bytes",
      stop);
  const auto has = [&](std::size_t rank) {
    return members.name(static_cast<int>(rank)) + " has " + texts[rank];
  };
  throw AgreedError("ranks are at different " + contribution.noun + "s: " + has(own) + ", " +
                    has(static_cast<std::size_t>(other - announcements.begin())) + "; " +
                    contribution.remedy);
}

/// Memory for all that peers may send, taken before the announcement: a rank that has none can
/// still tell it. Pages that they do not fill cost nothing.
Room make_room(const Members& members, const Payloads& payloads, const Limit& limit) {
  const auto own = static_cast<std::size_t>(members.rank());
  std::int64_t outgoing_bytes = 0, most_bytes = 0;
  for (std::size_t rank = 0; rank < payloads.size(); ++rank) {
    if (rank == own) continue;
    outgoing_bytes += payloads[rank].numel();
    most_bytes += limit(rank, own);
  }
  return make_room(members, outgoing_bytes, most_bytes);
}

}  // namespace

Exchanged exchange(const Members& members, Contribution contribution, const Limit& limit,
                   const std::stop_token& stop) {
  Room room;
  if (const auto* payloads = std::get_if<Payloads>(&contribution.content)) {
    try {
      room = make_room(members, *payloads, limit);
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
  throw_differences(members, contribution, announcements, stop);
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
  exchanged.payloads = transfer(members, outgoing, exchanged.sizes, room, stop);
  return exchanged;
}

}  // namespace lmgc::collective
