#include "communicator/rank_operation.h"

namespace lmgc::communicator {
namespace {

class Whole final : public RankOperation {
 public:
  using RankOperation::RankOperation;

  Rounds rounds() const override { return {0, 1}; }

  void prepare(std::size_t, Flight& flight) override {
    const Timed timed = encoding(flight);
    flight.parts = {quotient(flight.values, flight.divisor)};
    const at::Tensor payload = encode(flight, flight.parts.front(), flight.parameters, 0);
    flight.outgoing.content = std::vector<at::Tensor>(world_size(), payload);
    flight.limit = [limit = most_bytes(flight.values.numel(), flight.values)](auto, auto) {
      return limit;
    };
  }

  at::Tensor result(Flight& flight) override {
    const Timed timed = decoding(flight);
    return sum(flight, flight.parts.front(), flight.parameters, 0);
  }
};

}  // namespace

std::shared_ptr<Operation> reduce_whole(const collective::Members& members) {
  return std::make_shared<Whole>(members);
}

}  // namespace lmgc::communicator
