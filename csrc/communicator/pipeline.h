#pragma once

#include <functional>
#include <memory>
#include <semaphore>
#include <stop_token>
#include <vector>

#include "communicator/flight.h"
#include "communicator/worker.h"
#include "process.h"

namespace lmgc::communicator {

/// What is done to each flight, one after another. False: the flight has ended early. Must not
/// throw. After a stop request it should end soon.
using Stage = std::function<bool(Flight&, const std::stop_token&)>;

/// A thread for each stage: while one bucket is on the wire, the next is encoded. Each stage sees
/// flights in the order in which they were submitted.
class Pipeline {
 public:
  /// Flights that have begun and not ended: what bounds memory.
  static constexpr int kMostInFlight = 3;

  Pipeline(std::vector<Stage> stages, int threads);
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  /// False in a forked child, where its threads are not.
  [[nodiscard]] bool is_here() const { return process_.is_this(); }

  /// False, and nothing happens to `flight`, after stop().
  [[nodiscard]] bool submit(const std::shared_ptr<Flight>& flight);

  /// Requests the stop, sees all flights to their end, and joins the threads.
  void stop();

 private:
  void run(std::size_t stage, std::shared_ptr<Flight> flight);

  Process process_;
  std::vector<Stage> stages_;
  std::stop_source stop_;
  std::counting_semaphore<kMostInFlight> slots_{kMostInFlight};
  std::vector<std::unique_ptr<Worker>> workers_;  // last: they use all of the above
};

}  // namespace lmgc::communicator
