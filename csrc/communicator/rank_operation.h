#pragma once

#include <cstdint>
#include <span>

#include "communicator/flight.h"
#include "communicator/operation.h"
#include "communicator/timed.h"

namespace lmgc::communicator {

/// Most bytes that a payload of `values` of the tensor's dtype can have.
[[nodiscard]] std::int64_t most_bytes(std::int64_t values, const at::Tensor& tensor);

/// A new tensor of values / divisor, the same bits where that is 1.
[[nodiscard]] at::Tensor quotient(const at::Tensor& values, std::int64_t divisor);

/// What operations have in common, as one of the members of a group.
class RankOperation : public Operation {
 public:
  /// `members` must outlive it.
  explicit RankOperation(const collective::Members& members) : members_(members) {}

 protected:
  [[nodiscard]] std::size_t own() const { return static_cast<std::size_t>(members_.rank()); }
  [[nodiscard]] std::size_t world_size() const {
    return static_cast<std::size_t>(members_.world_size());
  }

  static Timed encoding(Flight& flight) {
    return {"lmgc::encode", flight.index, flight.counters.encode_seconds};
  }
  static Timed decoding(Flight& flight) {
    return {"lmgc::decode", flight.index, flight.counters.decode_seconds};
  }

  /// `part`: which of the flight's it is; a payload decodes as no other.
  [[nodiscard]] static at::Tensor encode(Flight& flight, const at::Tensor& values,
                                         std::span<const codec::Parameter> parameters,
                                         std::size_t part);
  /// The same of what stages made.
  [[nodiscard]] static at::Tensor encode_staged(Flight& flight, const codec::Staged& staged,
                                                std::span<const codec::Parameter> parameters,
                                                std::size_t part);
  /// The payload of `rank`. Throws std::runtime_error with its name.
  void decode(const Flight& flight, std::size_t rank, std::span<const codec::Parameter> parameters,
              std::size_t part, at::Tensor& values) const;
  /// Of `own` and the members' payloads, in their order and in their dtype. May change `own`.
  [[nodiscard]] at::Tensor sum(const Flight& flight, const at::Tensor& own,
                               std::span<const codec::Parameter> parameters,
                               std::size_t part) const;

  const collective::Members& members_;
};

}  // namespace lmgc::communicator
