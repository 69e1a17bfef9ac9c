#include "hook/reduction.h"

#include <ATen/Functions.h>

#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "hook/balance.h"
#include "hook/reason.h"
#include "hook/timed.h"

namespace lmgc::hook {
namespace {

/// Of a payload of `values` of the tensor's dtype.
std::int64_t most_bytes(std::int64_t values, const at::Tensor& tensor) {
  return values * static_cast<std::int64_t>(tensor.element_size()) + codec::kMaxOverheadBytes;
}

class RankReduction : public Reduction {
 public:
  RankReduction(const collective::Members& members, std::shared_ptr<const codec::Codec> codec)
      : members_(members), codec_(std::move(codec)) {}

 protected:
  [[nodiscard]] std::size_t own() const { return static_cast<std::size_t>(members_.rank()); }
  [[nodiscard]] std::size_t world_size() const {
    return static_cast<std::size_t>(members_.world_size());
  }

  static Timed encoding(Flight& flight) {
    return {"lmgc::encode", flight.bucket.index, flight.counters.encode_seconds};
  }
  static Timed decoding(Flight& flight) {
    return {"lmgc::decode", flight.bucket.index, flight.counters.decode_seconds};
  }

  /// Number of a part of a bucket: a payload decodes only as the part that it was made of.
  [[nodiscard]] std::uint64_t occasion(const Flight& flight, std::size_t part) const {
    return static_cast<std::uint64_t>(flight.number) * 2 * world_size() + part;
  }

  [[nodiscard]] at::Tensor encode(Flight& flight, const at::Tensor& values,
                                  std::span<const codec::Parameter> parameters,
                                  std::size_t part) const {
    at::Tensor payload = codec_->encode(values, parameters, true, occasion(flight, part));
    flight.counters.payload_bytes += payload.numel();
    return payload;
  }

  void decode(const Flight& flight, std::size_t rank, std::span<const codec::Parameter> parameters,
              std::size_t part, at::Tensor& values) const {
    try {
      codec_->decode_into(flight.incoming.payloads[rank], parameters, values,
                          occasion(flight, part));
    } catch (const std::exception& error) {
      throw std::runtime_error("cannot decode the payload of " +
                               members_.name(static_cast<int>(rank)) + ": " + reason_of(error));
    }
  }

  /// Of `own` and what came in, in rank order and in their dtype. May change `own`.
  [[nodiscard]] at::Tensor sum(Flight& flight, std::span<const codec::Parameter> parameters,
                               std::size_t part) const {
    at::Tensor total, decoded;
    for (std::size_t rank = 0; rank < world_size(); ++rank) {
      at::Tensor term = flight.own;
      if (rank != own()) {
        if (!decoded.defined() || decoded.is_same(total)) decoded = at::empty_like(flight.own);
        decode(flight, rank, parameters, part, decoded);
        term = decoded;
      }
      total = total.defined() ? total.add_(term) : term;
    }
    return total;
  }

  const collective::Members& members_;
  std::shared_ptr<const codec::Codec> codec_;
};

class WholeBuckets final : public RankReduction {
 public:
  using RankReduction::RankReduction;

  void encode(Flight& flight) override {
    const Timed timed = encoding(flight);
    flight.own = flight.bucket.values.div(members_.world_size());
    const at::Tensor payload =
        RankReduction::encode(flight, flight.own, flight.bucket.parameters, 0);
    flight.outgoing.content = std::vector<at::Tensor>(world_size(), payload);
    flight.limit = [limit = most_bytes(flight.own.numel(), flight.own)](auto, auto) {
      return limit;
    };
  }

  void reduce(Flight&) override {}

  at::Tensor average(Flight& flight) override {
    const Timed timed = decoding(flight);
    return sum(flight, flight.bucket.parameters, 0);
  }
};

class Shards final : public RankReduction {
 public:
  Shards(const collective::Members& members, std::shared_ptr<const codec::Codec> codec)
      : RankReduction(members, std::move(codec)), balance_(world_size()) {}

  void encode(Flight& flight) override {
    const Timed timed = encoding(flight);
    flight.shards = balance_.cut(flight.bucket.index, flight.bucket.parameters);
    std::vector<at::Tensor> payloads(world_size());
    for (std::size_t rank = 0; rank < world_size(); ++rank) {
      const codec::Shard& shard = flight.shards[rank];
      const at::Tensor part = shard.gather(flight.bucket.values).div_(members_.world_size());
      if (rank == own()) {
        flight.own = part;
      } else {
        payloads[rank] = RankReduction::encode(flight, part, shard.parameters, rank);
      }
    }
    flight.outgoing.content = std::move(payloads);
    flight.limit = [limits = limits(flight)](auto, std::size_t to) { return limits[to]; };
  }

  void reduce(Flight& flight) override {
    const codec::Shard& shard = flight.shards[own()];
    {
      const Timed timed = decoding(flight);
      flight.own = sum(flight, shard.parameters, own());
    }
    const Timed timed = encoding(flight);
    const at::Tensor payload =
        RankReduction::encode(flight, flight.own, shard.parameters, part_of_sum(own()));
    flight.outgoing.content = std::vector<at::Tensor>(world_size(), payload);
    flight.limit = [limits = limits(flight)](std::size_t from, auto) { return limits[from]; };
  }

  at::Tensor average(Flight& flight) override {
    const Timed timed = decoding(flight);
    at::Tensor average = at::empty_like(flight.bucket.values);
    for (std::size_t rank = 0; rank < world_size(); ++rank) {
      const codec::Shard& shard = flight.shards[rank];
      at::Tensor part = flight.own;
      if (rank != own()) {
        part = at::empty({shard.values}, average.options());
        decode(flight, rank, shard.parameters, part_of_sum(rank), part);
      }
      shard.scatter(part, average);
    }
    std::vector<std::int64_t> sizes = flight.incoming.sizes;
    sizes[own()] = std::get<std::vector<at::Tensor>>(flight.outgoing.content)[own()].numel();
    balance_.record(sizes);
    return average;
  }

 private:
  [[nodiscard]] std::size_t part_of_sum(std::size_t shard) const { return world_size() + shard; }

  [[nodiscard]] static std::vector<std::int64_t> limits(const Flight& flight) {
    std::vector<std::int64_t> limits;
    for (const codec::Shard& shard : flight.shards) {
      limits.push_back(most_bytes(shard.values, flight.bucket.values));
    }
    return limits;
  }

  Balance balance_;
};

}  // namespace

std::unique_ptr<Reduction> reduce_whole_buckets(const collective::Members& members,
                                                std::shared_ptr<const codec::Codec> codec) {
  return std::make_unique<WholeBuckets>(members, std::move(codec));
}

std::unique_ptr<Reduction> reduce_shards(const collective::Members& members,
                                         std::shared_ptr<const codec::Codec> codec) {
  return std::make_unique<Shards>(members, std::move(codec));
}

}  // namespace lmgc::hook
