#include <ATen/Functions.h>
#include <c10/core/StreamGuard.h>

#include <optional>
#include <stdexcept>

#include "codec/draw.h"
#include "collective/device_transfer.h"
#include "communicator/rank_operation.h"

namespace lmgc::communicator {
namespace {

class StagedSum final : public RankOperation {
 public:
  using RankOperation::RankOperation;

  Rounds rounds() const override { return {0, 1}; }

  void prepare(std::size_t, Flight& flight) override {
    const Timed timed = encoding(flight);
    const codec::Staged staged = stage(flight);
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
      if (total.defined()) {
        total.add_(term.to(total.scalar_type()));
      } else {
        const at::TensorOptions host = flight.values.options().device(at::kCPU);
        total = at::empty(term.sizes(), host.pinned_memory(!flight.values.is_cpu()));
        total.copy_(term);
      }
    }
    return total;
  }

 private:
  /// Where the values are. What the device does beside is not waited for.
  codec::Staged stage(const Flight& flight) {
    if (flight.values.is_cpu()) return apply(flight);
    const c10::Device device = flight.values.device();
    if (!stream_ || stream_->device() != device) stream_ = collective::new_stream(device);
    const c10::StreamGuard guard(*stream_);
    return codec::on_host(apply(flight));
  }

  codec::Staged apply(const Flight& flight) const {
    const Staging& staging = *flight.staging;
    stages::Input input;
    input.values = stages::divided(flight.values.to(at::kFloat), flight.divisor);
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

  // One for all flights: memory that the device keeps for a stream is for that one alone.
  std::optional<c10::Stream> stream_;
};

}  // namespace

std::shared_ptr<Operation> reduce_staged(const collective::Members& members) {
  return std::make_shared<StagedSum>(members);
}

}  // namespace lmgc::communicator
