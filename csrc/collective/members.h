#pragma once

#include <c10/core/Stream.h>

#include <cstdint>
#include <optional>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

namespace lmgc::collective {

/// What ranks are called in messages.
[[nodiscard]] inline std::string rank_name(const std::vector<std::int64_t>& global_ranks,
                                           std::size_t rank) {
  return "rank " + std::to_string(global_ranks.at(rank));
}

/// A process group that nobody else uses.
struct Members {
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  std::vector<std::int64_t> global_ranks;  ///< one per rank of `group`
  /// Of the device by whose backend payloads travel. None: they do by the host's, as all else does.
  std::optional<c10::Stream> stream = std::nullopt;

  [[nodiscard]] int rank() const { return group->getRank(); }
  [[nodiscard]] int world_size() const { return group->getSize(); }
  [[nodiscard]] std::string name(int rank) const {
    return rank_name(global_ranks, static_cast<std::size_t>(rank));
  }
};

/// All ranks that work together, when their groups no longer do.
struct Roster {
  std::vector<std::int64_t> global_ranks;
  std::size_t own = 0;
  c10::intrusive_ptr<c10d::Store> store;  ///< theirs alone

  [[nodiscard]] std::string name(std::size_t rank) const { return rank_name(global_ranks, rank); }
};

}  // namespace lmgc::collective
