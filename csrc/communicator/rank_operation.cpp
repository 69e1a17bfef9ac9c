#include "communicator/rank_operation.h"

#include <ATen/Functions.h>

#include <stdexcept>

#include "communicator/reason.h"

namespace lmgc::communicator {
namespace {

/// Different for all parts of all flights of a communicator, of at most 2^24 parts, and for ranks
/// that would cut a flight differently.
std::uint64_t occasion(const Flight& flight, std::size_t part) {
  return (static_cast<std::uint64_t>(flight.number) << 24 | part) ^ flight.cut;
}

}  // namespace

std::int64_t most_bytes(std::int64_t values, const at::Tensor& tensor) {
  return values * static_cast<std::int64_t>(tensor.element_size()) + codec::kMaxOverheadBytes;
}

at::Tensor quotient(const at::Tensor& values, std::int64_t divisor) {
  return divisor == 1 ? values.clone() : values.div(divisor);
}

at::Tensor RankOperation::encode(Flight& flight, const at::Tensor& values,
                                 std::span<const codec::Parameter> parameters, std::size_t part) {
  at::Tensor payload = flight.codec->encode(values, parameters, true, occasion(flight, part));
  flight.counters.payload_bytes += payload.numel();
  flight.counters.coded_bytes += static_cast<std::int64_t>(values.nbytes());
  return payload;
}

at::Tensor RankOperation::encode_staged(Flight& flight, const codec::Staged& staged,
                                        std::span<const codec::Parameter> parameters,
                                        std::size_t part) {
  at::Tensor payload = flight.codec->encode_staged(staged, parameters, occasion(flight, part));
  flight.counters.payload_bytes += payload.numel();
  flight.counters.coded_bytes += static_cast<std::int64_t>(flight.values.nbytes());
  return payload;
}

void RankOperation::decode(const Flight& flight, std::size_t rank,
                           std::span<const codec::Parameter> parameters, std::size_t part,
                           at::Tensor& values) const {
  try {
    flight.codec->decode_into(flight.incoming.payloads[rank], parameters, values,
                              occasion(flight, part));
  } catch (const std::exception& error) {
    throw std::runtime_error("cannot decode the payload of " +
                             members_.name(static_cast<int>(rank)) + ": " + reason_of(error));
  }
}

at::Tensor RankOperation::sum(const Flight& flight, const at::Tensor& own,
                              std::span<const codec::Parameter> parameters,
                              std::size_t part) const {
  at::Tensor total, decoded;
  for (std::size_t rank = 0; rank < world_size(); ++rank) {
    at::Tensor term = own;
    if (rank != this->own()) {
      if (!decoded.defined() || decoded.is_same(total)) decoded = at::empty_like(own);
      decode(flight, rank, parameters, part, decoded);
      term = decoded;
    }
    total = total.defined() ? total.add_(term) : term;
  }
  return total;
}

}  // namespace lmgc::communicator
