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
  std::vector<std::size_t> tiles;     ///< of which each of them is, or is a part
  std::int64_t values = 0;

  /// The shard's values of `tensor`, contiguous on the host.
  [[nodiscard]] at::Tensor gather(const at::Tensor& tensor) const;
  /// Inverse: `part` to its places in `tensor`.
  void scatter(const at::Tensor& part, at::Tensor& tensor) const;
};

/// How many values each of the tiles has that a tensor of `parameters` is cut into; what has none,
/// is one.
[[nodiscard]] std::vector<std::int64_t> values_of_tiles(std::span<const Parameter> parameters);

/// Shares out a tensor of `parameters`: to each rank tiles of about as much weight as its room, all
/// rooms together being that of the tensor. `weights`: of its tiles, above 0. Tiles stay whole
/// where they fit with `slack` more; others are cut between rows, in the coding order of their
/// history. Depends on the histories, which are equal on all ranks.
[[nodiscard]] std::vector<Shard> cut(std::span<const Parameter> parameters,
                                     std::span<const std::int64_t> weights,
                                     std::vector<std::int64_t> rooms, std::int64_t slack);

/// Of where the values of each are.
[[nodiscard]] std::uint64_t fingerprint_of(std::span<const Shard> shards);

}  // namespace lmgc::codec
