#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "collective/exchange.h"
#include "collective/members.h"
#include "communicator/counters.h"
#include "communicator/flight.h"
#include "communicator/pipeline.h"

namespace lmgc::communicator {

/// Takes flights through their operations on threads of its own, several at a time and in the same
/// order on every rank.
///
/// The first failure is the last: what follows is incomplete without it, so all later flights fail
/// with its reason, and peers that still send hear it.
class Communicator {
 public:
  /// `exchanges`: who takes part in each, by groups of its own, so that flights under way never
  /// wait for another. `owner`: the user's group; once that is destroyed, flights fail. `threads`:
  /// OpenMP threads of each of its threads.
  Communicator(collective::Roster roster, std::vector<collective::Members> exchanges,
               c10::intrusive_ptr<c10d::ProcessGroup> owner, int threads);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  /// Returns at once. The flight's future is completed with the operation's result, which the
  /// parameters' histories have observed; or with a std::runtime_error that names rank, flight and
  /// reason.
  void submit(const std::shared_ptr<Flight>& flight);

  /// Fails what is under way and joins the threads. Call it without the GIL: their tensors and
  /// callbacks may need it. Does nothing in a forked child.
  void close();

  /// Completes the flight's future at once; it and all later flights fail.
  void fail(Flight& flight, const std::string& reason);
  /// What the future of a flight that failed for `reason` is completed with.
  [[nodiscard]] std::exception_ptr error(const Flight& flight, const std::string& reason) const;
  /// What it means that a group broke. Waits a little for the other ranks.
  [[nodiscard]] std::string lost(const std::string& symptom, const std::stop_token& stop) const;

  /// False in a forked child: flights fail there, and say so.
  [[nodiscard]] bool is_here() const { return pipeline_.is_here(); }
  [[nodiscard]] const collective::Roster& roster() const { return roster_; }
  [[nodiscard]] const c10::intrusive_ptr<c10d::ProcessGroup>& owner() const { return owner_; }
  /// Of an exchange.
  [[nodiscard]] const collective::Members& members(std::size_t round) const {
    return exchanges_[round].members;
  }
  [[nodiscard]] Stats& stats() { return stats_; }

 private:
  struct Failure {
    std::int64_t flight;
    std::string reason;
  };

  struct Exchange {
    collective::Members members;
    bool usable = true;  ///< known to its thread alone, as long as there is one
  };

  [[nodiscard]] std::vector<Stage> stages();
  void prepare(std::size_t round, Flight& flight, const std::stop_token& stop);
  /// False: the flight has ended, on all ranks.
  [[nodiscard]] bool exchange(std::size_t round, Flight& flight, const std::stop_token& stop);
  void finish(Flight& flight);

  /// Calls work() unless an earlier flight has failed. What it throws, the next exchange tells.
  template <typename Work>
  void contribute(Flight& flight, const Work& work);
  void reject(Flight& flight, const std::string& reason);
  [[nodiscard]] std::optional<std::string> failure_before(const Flight& flight);
  void remember(const Flight& flight, const std::string& reason);

  collective::Roster roster_;
  std::vector<Exchange> exchanges_;
  c10::intrusive_ptr<c10d::ProcessGroup> owner_;
  std::int64_t flights_ = 0;
  Stats stats_;
  std::once_flag closed_;
  std::mutex mutex_;
  std::optional<Failure> failure_;  // the earliest flight's
  Pipeline pipeline_;               // last: its stages use all of the above
};

}  // namespace lmgc::communicator
