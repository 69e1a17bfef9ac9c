#pragma once

#include <cstdint>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

namespace lmgc::collective {

/// A process group that nobody else uses, and how its ranks are called in messages.
struct Members {
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  std::vector<std::int64_t> global_ranks;  ///< one per rank of `group`
  c10::intrusive_ptr<c10d::Store> store;   ///< the same ranks', when `group` no longer works

  [[nodiscard]] int rank() const { return group->getRank(); }
  [[nodiscard]] int world_size() const { return group->getSize(); }
  [[nodiscard]] std::string name(int rank) const {
    return "rank " + std::to_string(global_ranks.at(static_cast<std::size_t>(rank)));
  }
};

}  // namespace lmgc::collective
