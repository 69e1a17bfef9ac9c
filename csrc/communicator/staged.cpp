#include <ATen/Functions.h>

#include <stdexcept>

#include "codec/draw.h"
#include "communicator/rank_operation.h"

namespace lmgc::communicator {
namespace {

class StagedSum final : public RankOperation {
 public:
  using RankOperation::RankOperation;

  Rounds rounds() const override { return {0, 1}; }

  void prepare(std::size_t, Flight& flight) override {
    const Timed timed = encoding(flight);
    const codec::Staged staged = apply(flight);
    flight.parts = {staged.values};
    const at::Tensor payload = encode_staged(flight, staged, flight.parameters, 0);
    flight.outgoing.content = std::vector<at::Tensor>(world_size(), payload);
    flight.limit = [limit = most_bytes(flight.values.numel(), staged.values)](auto, auto) {
      return limit;
    };
  }

  at::Tensor result(Flight& flight) override {
    const Timed timed = decoding(flight);
    at::Tensor total;
    for (std::size_t rank = 0; rank < world_size(); ++rank) {
      at::Tensor term = flight.parts.front();
      if (rank != own()) {
        term = at::empty_like(term);
        decode(flight, rank, flight.parameters, 0, term);
      }
      const at::ScalarType dtype = flight.values.scalar_type();
      total = total.defined() ? total.add_(term.to(dtype)) : term.to(dtype, false, /*copy=*/true);
    }
    return total;
  }

 private:
  codec::Staged apply(Flight& flight) const {
    const Staging& staging = *flight.staging;
    stages::Input input;
    input.values = flight.values.to(at::kFloat).div(flight.divisor);
    for (const codec::Parameter& parameter : flight.parameters) {
      input.shapes.push_back(parameter.shape);
    }
    each_residual(flight, [&](const at::Tensor& residual, std::int64_t start) {
      input.values.narrow(0, start, residual.numel()).add_(residual);
    });
    if (const auto index = stages::first_not_finite(input.values, input.shapes)) {
      throw std::runtime_error("parameter " + staging.names[*index] +
                               " has a NaN or an infinity in its gradient, which stages do not "
                               "send; look for it before the backward, or train without stages");
    }
    input.shared_key = codec::mixed(staging.seed, static_cast<std::uint64_t>(flight.number));
    input.own_key = codec::mixed(input.shared_key, own());
    const codec::Staged staged = staging.chain->apply(input);
    const at::Tensor left = input.values.sub_(staged.values);
    each_residual(flight, [&](const at::Tensor& residual, std::int64_t start) {
      residual.copy_(left.narrow(0, start, residual.numel()));
    });
    return staged;
  }

  template <typename Work>
  static void each_residual(const Flight& flight, const Work& work) {
    std::int64_t start = 0;
    for (const at::Tensor& residual : flight.staging->residuals) {
      work(residual, start);
      start += residual.numel();
    }
  }
};

}  // namespace

std::shared_ptr<Operation> reduce_staged(const collective::Members& members) {
  return std::make_shared<StagedSum>(members);
}

}  // namespace lmgc::communicator
