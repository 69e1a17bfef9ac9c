#include <ATen/Functions.h>

#include <stdexcept>
#include <utility>

#include "communicator/balance.h"
#include "communicator/rank_operation.h"

namespace lmgc::communicator {
namespace {

using Tensors = std::vector<at::Tensor>;

at::Tensor bytes_of(const Tensors& parts) { return at::cat(parts).view(at::kByte); }

/// RankOperation's members are those of the same place on all hosts.
class HostShards final : public RankOperation {
 public:
  HostShards(const collective::Members& local, const collective::Members& across,
             std::vector<std::vector<std::size_t>> ranks)
      : RankOperation(across),
        local_(local),
        ranks_(std::move(ranks)),
        balance_(ranks_.size() * ranks_.front().size()) {}

  Rounds rounds() const override { return {0, 4}; }

  void prepare(std::size_t round, Flight& flight) override {
    switch (round) {
      case 0:
        return send_raw_shards(flight);
      case 1:
        return send_host_sums(flight);
      case 2:
        return send_sum(flight);
      default:
        return send_raw_sums(flight);
    }
  }

  at::Tensor result(Flight& flight) override {
    const Timed timed = decoding(flight);
    at::Tensor average = at::empty_like(flight.values);
    for (std::size_t place = 0; place < places(); ++place) {
      const Tensors parts = place == own_place() ? flight.parts : received(flight, place, place);
      for (std::size_t host = 0; host < ranks_.size(); ++host) {
        shard(flight, host, place).scatter(parts[host], average);
      }
    }
    return average;
  }

 private:
  [[nodiscard]] std::size_t places() const { return ranks_.front().size(); }
  [[nodiscard]] std::size_t own_place() const { return static_cast<std::size_t>(local_.rank()); }
  [[nodiscard]] const codec::Shard& shard(const Flight& flight, std::size_t host,
                                          std::size_t place) const {
    return flight.shards[ranks_[host][place]];
  }
  /// Of the shard of a host and this rank's place, and of its sum.
  [[nodiscard]] std::size_t number(std::size_t host) const { return ranks_[host][own_place()]; }
  [[nodiscard]] std::size_t part_of_sum(std::size_t host) const {
    return world_size() * places() + number(host);
  }
  [[nodiscard]] std::int64_t values_at(const Flight& flight, std::size_t place) const {
    std::int64_t values = 0;
    for (std::size_t host = 0; host < ranks_.size(); ++host) {
      values += shard(flight, host, place).values;
    }
    return values;
  }

  /// Each local rank gets what it sums of the host's values: its place's shards of all hosts.
  void send_raw_shards(Flight& flight) {
    flight.shards = balance_.cut({flight.index, flight.unit}, flight.parameters);
    flight.cut = codec::fingerprint_of(flight.shards);
    Tensors outgoing(places());
    for (std::size_t place = 0; place < places(); ++place) {
      Tensors parts;
      for (std::size_t host = 0; host < ranks_.size(); ++host) {
        parts.push_back(shard(flight, host, place).gather(flight.values).div_(flight.divisor));
      }
      if (place == own_place()) {
        flight.parts = std::move(parts);
      } else {
        outgoing[place] = bytes_of(parts);
      }
    }
    flight.outgoing.content = std::move(outgoing);
    flight.limit = raw_limit(flight, false);
  }

  void send_host_sums(Flight& flight) {
    Tensors total;
    for (std::size_t place = 0; place < places(); ++place) {
      Tensors terms =
          place == own_place() ? std::move(flight.parts) : received(flight, place, own_place());
      for (std::size_t host = 0; host < ranks_.size() && !total.empty(); ++host) {
        total[host].add_(terms[host]);
      }
      if (total.empty()) total = std::move(terms);
    }
    flight.parts = std::move(total);
    const Timed timed = encoding(flight);
    Tensors payloads(world_size());
    for (std::size_t host = 0; host < world_size(); ++host) {
      if (host == own()) continue;
      const codec::Shard& part = shard(flight, host, own_place());
      payloads[host] = encode(flight, flight.parts[host], part.parameters, number(host));
    }
    flight.outgoing.content = std::move(payloads);
    flight.limit = [limits = limits(flight)](auto, std::size_t to) { return limits[to]; };
  }

  void send_sum(Flight& flight) {
    const codec::Shard& own_shard = shard(flight, own(), own_place());
    at::Tensor& part = flight.parts[own()];
    {
      const Timed timed = decoding(flight);
      part = sum(flight, part, own_shard.parameters, number(own()));
    }
    const Timed timed = encoding(flight);
    const at::Tensor payload = encode(flight, part, own_shard.parameters, part_of_sum(own()));
    flight.outgoing.content = Tensors(world_size(), payload);
    flight.limit = [limits = limits(flight)](std::size_t from, auto) { return limits[from]; };
  }

  void send_raw_sums(Flight& flight) {
    {
      const Timed timed = decoding(flight);
      for (std::size_t host = 0; host < world_size(); ++host) {
        if (host == own()) continue;
        decode(flight, host, shard(flight, host, own_place()).parameters, part_of_sum(host),
               flight.parts[host]);
      }
    }
    flight.outgoing.content = Tensors(places(), bytes_of(flight.parts));
    flight.limit = raw_limit(flight, true);
  }

  /// The raw values of `from`, which are the shards of `place`.
  [[nodiscard]] Tensors received(const Flight& flight, std::size_t from, std::size_t place) const {
    at::Tensor bytes = flight.incoming.payloads[from];
    const std::int64_t expected =
        values_at(flight, place) * static_cast<std::int64_t>(flight.values.element_size());
    if (bytes.numel() != expected) {
      throw std::runtime_error(local_.name(static_cast<int>(from)) + " sent " +
                               std::to_string(bytes.numel()) + " bytes of raw values instead of " +
                               std::to_string(expected));
    }
    // Its place in what came in may not suit the dtype.
    const at::Tensor values = bytes.clone().view(flight.values.scalar_type());
    Tensors parts;
    std::int64_t start = 0;
    for (std::size_t host = 0; host < ranks_.size(); ++host) {
      const std::int64_t count = shard(flight, host, place).values;
      parts.push_back(values.narrow(0, start, count));
      start += count;
    }
    return parts;
  }

  [[nodiscard]] collective::Limit raw_limit(const Flight& flight, bool by_sender) const {
    std::vector<std::int64_t> limits;
    for (std::size_t place = 0; place < places(); ++place) {
      limits.push_back(most_bytes(values_at(flight, place), flight.values));
    }
    return [limits, by_sender](std::size_t from, std::size_t to) {
      return limits[by_sender ? from : to];
    };
  }

  [[nodiscard]] std::vector<std::int64_t> limits(const Flight& flight) const {
    std::vector<std::int64_t> limits;
    for (std::size_t host = 0; host < ranks_.size(); ++host) {
      limits.push_back(most_bytes(shard(flight, host, own_place()).values, flight.values));
    }
    return limits;
  }

  const collective::Members& local_;
  std::vector<std::vector<std::size_t>> ranks_;  // by host and place
  Balance balance_;
};

}  // namespace

std::shared_ptr<Operation> reduce_by_hosts(const collective::Members& local,
                                           const collective::Members& across,
                                           std::vector<std::vector<std::size_t>> ranks) {
  return std::make_shared<HostShards>(local, across, std::move(ranks));
}

}  // namespace lmgc::communicator
