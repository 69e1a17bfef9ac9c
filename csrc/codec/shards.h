#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "codec/parameter.h"

/// A tensor cut into one part for each rank, so that every part is coded by itself.
namespace lmgc::codec {

/// What one rank sums of a tensor: tiles of its parameters, or some rows of one.
struct Shard {
  /// Neighbours in the tensor.
  struct Run {
    std::int64_t start, count;
  };

  std::vector<Run> runs;              ///< lie one after another in the shard
  std::vector<Parameter> parameters;  ///< how to code it
  std::int64_t values = 0;

  /// The shard's values of `tensor`, contiguous on the host.
  [[nodiscard]] at::Tensor gather(const at::Tensor& tensor) const;
  /// Inverse: `part` to its places in `tensor`.
  void scatter(const at::Tensor& part, at::Tensor& tensor) const;
};

/// Shares out a tensor of `parameters`: to each rank about as many values as its room, all rooms
/// together being the tensor's. Tiles stay whole where they fit with `slack` values more; others
/// are cut between rows, in the coding order of their history. Depends on the histories, which are
/// equal on all ranks.
[[nodiscard]] std::vector<Shard> cut(std::span<const Parameter> parameters,
                                     std::vector<std::int64_t> rooms, std::int64_t slack);

}  // namespace lmgc::codec
