#include <ATen/Functions.h>

#include <utility>

#include "communicator/balance.h"
#include "communicator/rank_operation.h"

namespace lmgc::communicator {
namespace {

class Shards final : public RankOperation {
 public:
  explicit Shards(const collective::Members& members)
      : RankOperation(members), balance_(world_size()) {}

  Rounds rounds() const override { return {0, 2}; }

  void prepare(std::size_t round, Flight& flight) override {
    round == 0 ? send_shards(flight) : send_sum(flight);
  }

  at::Tensor result(Flight& flight) override {
    const Timed timed = decoding(flight);
    at::Tensor average = at::empty_like(flight.values);
    for (std::size_t rank = 0; rank < world_size(); ++rank) {
      const codec::Shard& shard = flight.shards[rank];
      at::Tensor part = flight.parts.front();
      if (rank != own()) {
        part = at::empty({shard.values}, average.options());
        decode(flight, rank, shard.parameters, part_of_sum(rank), part);
      }
      shard.scatter(part, average);
    }
    record(flight);
    return average;
  }

 private:
  /// Of the sums' payloads, which all ranks have.
  void record(const Flight& flight) {
    const auto& sent = std::get<std::vector<at::Tensor>>(flight.outgoing.content);
    std::vector<Balance::Bytes> bytes;
    for (std::size_t rank = 0; rank < world_size(); ++rank) {
      const at::Tensor& payload = rank == own() ? sent[rank] : flight.incoming.payloads[rank];
      bytes.push_back(flight.codec->bytes_of_parameters(payload, flight.shards[rank].parameters));
    }
    balance_.record({flight.index, flight.unit}, flight.shards, bytes);
  }

  void send_shards(Flight& flight) {
    const Timed timed = encoding(flight);
    flight.shards = balance_.cut({flight.index, flight.unit}, flight.parameters);
    flight.cut = codec::fingerprint_of(flight.shards);
    flight.parts.resize(1);
    std::vector<at::Tensor> payloads(world_size());
    for (std::size_t rank = 0; rank < world_size(); ++rank) {
      const codec::Shard& shard = flight.shards[rank];
      const at::Tensor part = shard.gather(flight.values);
      if (flight.divisor != 1) part.div_(flight.divisor);
      if (rank == own()) {
        flight.parts.front() = part;
      } else {
        payloads[rank] = encode(flight, part, shard.parameters, rank);
      }
    }
    flight.outgoing.content = std::move(payloads);
    flight.limit = [limits = limits(flight)](auto, std::size_t to) { return limits[to]; };
  }

  void send_sum(Flight& flight) {
    const codec::Shard& shard = flight.shards[own()];
    at::Tensor& part = flight.parts.front();
    {
      const Timed timed = decoding(flight);
      part = sum(flight, part, shard.parameters, own());
    }
    const Timed timed = encoding(flight);
    const at::Tensor payload = encode(flight, part, shard.parameters, part_of_sum(own()));
    flight.outgoing.content = std::vector<at::Tensor>(world_size(), payload);
    flight.limit = [limits = limits(flight)](std::size_t from, auto) { return limits[from]; };
  }

  [[nodiscard]] std::size_t part_of_sum(std::size_t rank) const { return world_size() + rank; }

  [[nodiscard]] static std::vector<std::int64_t> limits(const Flight& flight) {
    std::vector<std::int64_t> limits;
    for (const codec::Shard& shard : flight.shards) {
      limits.push_back(most_bytes(shard.values, flight.values));
    }
    return limits;
  }

  Balance balance_;
};

}  // namespace

std::shared_ptr<Operation> reduce(const collective::Members& members) {
  if (members.world_size() == 2) return reduce_whole(members);
  return std::make_shared<Shards>(members);
}

}  // namespace lmgc::communicator
