#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "collective/members.h"

namespace lmgc::communicator {

struct Flight;

/// A collective on tensors: what a rank does before each exchange of payloads and after the last.
/// Each step sees flights in the same order on every rank, on a thread of its own, and throws what
/// it cannot go on with.
class Operation {
 public:
  virtual ~Operation() = default;

  /// Those of the communicator's exchanges that it needs.
  struct Rounds {
    std::size_t first, end;
  };
  [[nodiscard]] virtual Rounds rounds() const = 0;
  /// Fills the flight's `outgoing` and `limit` for an exchange, from what came in by the one
  /// before.
  virtual void prepare(std::size_t round, Flight& flight) = 0;
  /// From what came in by the last.
  [[nodiscard]] virtual at::Tensor result(Flight& flight) = 0;
};

/// The sum of all ranks' values / divisor. Every rank sends its values to every other and sums all:
/// one exchange.
[[nodiscard]] std::shared_ptr<Operation> reduce_whole(const collective::Members& members);

/// The same in the fewest bytes: that for two ranks; from three on each sums a shard and sends the
/// sum to the others, two exchanges in which a rank sends less than two payloads of all values,
/// however many ranks there are.
[[nodiscard]] std::shared_ptr<Operation> reduce(const collective::Members& members);

/// The same for hosts of several ranks. Ranks of a host sum raw shards, hosts exchange them
/// compressed, each by its ranks of the same place, and ranks of a host share the sums: four
/// exchanges. `ranks`: of each host, by place, as numbered among all.
[[nodiscard]] std::shared_ptr<Operation> reduce_by_hosts(
    const collective::Members& local, const collective::Members& across,
    std::vector<std::vector<std::size_t>> ranks);

/// The sum of what all ranks' stages make of their values / divisor, in one exchange. Stages run on
/// the values' device; the sum is on the host, in pinned memory if the values are not.
[[nodiscard]] std::shared_ptr<Operation> reduce_staged(const collective::Members& members);

/// All ranks' values, one after another, by the exchange `round`.
[[nodiscard]] std::shared_ptr<Operation> all_gather(const collective::Members& members,
                                                    std::size_t round);

/// The sum of all ranks' values / divisor that are this rank's: one of as many equal parts as there
/// are ranks. The flight's parameters are those of a part, and have no history.
[[nodiscard]] std::shared_ptr<Operation> reduce_scatter(const collective::Members& members,
                                                        std::size_t round);

}  // namespace lmgc::communicator
