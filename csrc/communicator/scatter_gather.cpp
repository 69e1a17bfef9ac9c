#include <ATen/Functions.h>

#include <utility>

#include "communicator/rank_operation.h"

namespace lmgc::communicator {
namespace {

/// Both are half of an average by shards, and use one of its exchanges.
class OneRound : public RankOperation {
 public:
  OneRound(const collective::Members& members, std::size_t round)
      : RankOperation(members), round_(round) {}

  Rounds rounds() const override { return {round_, round_ + 1}; }

 private:
  std::size_t round_;
};

class Gather final : public OneRound {
 public:
  using OneRound::OneRound;

  void prepare(std::size_t, Flight& flight) override {
    const Timed timed = encoding(flight);
    const at::Tensor payload = encode(flight, flight.values, flight.parameters, own());
    flight.outgoing.content = std::vector<at::Tensor>(world_size(), payload);
    flight.limit = [limit = most_bytes(flight.values.numel(), flight.values)](auto, auto) {
      return limit;
    };
  }

  at::Tensor result(Flight& flight) override {
    const Timed timed = decoding(flight);
    const std::int64_t count = flight.values.numel();
    at::Tensor all = at::empty({count * members_.world_size()}, flight.values.options());
    for (std::size_t rank = 0; rank < world_size(); ++rank) {
      at::Tensor part = all.narrow(0, static_cast<std::int64_t>(rank) * count, count);
      if (rank == own()) {
        part.copy_(flight.values);
      } else {
        decode(flight, rank, flight.parameters, rank, part);
      }
    }
    return all;
  }
};

class ReduceScatter final : public OneRound {
 public:
  using OneRound::OneRound;

  void prepare(std::size_t, Flight& flight) override {
    const Timed timed = encoding(flight);
    const std::int64_t count = flight.values.numel() / members_.world_size();
    std::vector<at::Tensor> payloads(world_size());
    for (std::size_t rank = 0; rank < world_size(); ++rank) {
      const at::Tensor part = quotient(
          flight.values.narrow(0, static_cast<std::int64_t>(rank) * count, count), flight.divisor);
      if (rank == own()) {
        flight.parts = {part};
      } else {
        payloads[rank] = encode(flight, part, flight.parameters, rank);
      }
    }
    flight.outgoing.content = std::move(payloads);
    flight.limit = [limit = most_bytes(count, flight.values)](auto, auto) { return limit; };
  }

  at::Tensor result(Flight& flight) override {
    const Timed timed = decoding(flight);
    return sum(flight, flight.parts.front(), flight.parameters, own());
  }
};

}  // namespace

std::shared_ptr<Operation> all_gather(const collective::Members& members, std::size_t round) {
  return std::make_shared<Gather>(members, round);
}

std::shared_ptr<Operation> reduce_scatter(const collective::Members& members, std::size_t round) {
  return std::make_shared<ReduceScatter>(members, round);
}

}  // namespace lmgc::communicator
