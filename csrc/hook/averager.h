#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "collective/exchange.h"
#include "collective/members.h"
#include "hook/counters.h"
#include "hook/flight.h"
#include "hook/pipeline.h"
#include "hook/reduction.h"

namespace lmgc::hook {

/// The stages by which ranks average buckets, and what they do when one fails.
///
/// The first failure is the last: gradients of that step are incomplete, so all later buckets fail
/// with its reason, and peers that still send hear it.
class Averager {
 public:
  /// `groups`: the ranks once for each exchange, so that buckets under way never wait for another.
  /// `owner`: DDP's own group. Once the user destroys it, buckets fail.
  Averager(std::vector<collective::Members> groups, c10::intrusive_ptr<c10d::ProcessGroup> owner,
           std::shared_ptr<const codec::Codec> codec);
  ~Averager();
  Averager(const Averager&) = delete;
  Averager& operator=(const Averager&) = delete;

  /// A flight's way. They complete its future with the sum of all ranks' values / world size, in
  /// rank order, which the parameters' histories have observed; or with a std::runtime_error that
  /// names rank, bucket and reason. Each stage runs on one thread.
  [[nodiscard]] std::vector<Stage> stages();

  [[nodiscard]] Stats& stats() { return stats_; }
  /// Completes the flight's future with that reason, unless it is complete.
  void fail(Flight& flight, const std::string& reason);

 private:
  struct Failure {
    std::int64_t flight;
    std::string reason;
  };

  struct Group {
    collective::Members members;
    bool usable = true;  ///< known to the thread of its exchange alone
  };

  bool encode(Flight& flight);
  bool exchange(std::size_t group, Flight& flight, const std::stop_token& stop);
  bool reduce(Flight& flight);
  bool finish(Flight& flight);

  /// Calls work() unless an earlier flight has failed. What it throws, the next exchange tells.
  template <typename Work>
  void contribute(Flight& flight, const Work& work);
  [[nodiscard]] std::optional<std::string> failure_before(const Flight& flight);
  void remember(const Flight& flight, const std::string& reason);
  [[nodiscard]] std::string lost(const std::string& symptom, const std::stop_token& stop) const;

  [[nodiscard]] const collective::Members& members() const { return groups_.front().members; }

  std::vector<Group> groups_;
  c10::intrusive_ptr<c10d::ProcessGroup> owner_;
  std::unique_ptr<Reduction> reduction_;
  std::int64_t flights_ = 0;
  Stats stats_;
  std::mutex mutex_;
  std::optional<Failure> failure_;  // the earliest flight's
};

}  // namespace lmgc::hook
