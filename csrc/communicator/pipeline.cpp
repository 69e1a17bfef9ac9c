#include "communicator/pipeline.h"

#include <utility>

namespace lmgc::communicator {

Pipeline::Pipeline(std::vector<Stage> stages, int threads) : stages_(std::move(stages)) {
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    workers_.push_back(std::make_unique<Worker>(threads));
  }
}

Pipeline::~Pipeline() {
  if (is_here()) {
    stop();
  } else {  // a worker's destructor would wait for its thread, which is not in this process
    for (auto& worker : workers_) static_cast<void>(worker.release());
  }
}

bool Pipeline::submit(const std::shared_ptr<Flight>& flight) {
  return workers_.front()->submit([this, flight]() mutable {
    slots_.acquire();
    run(0, std::move(flight));
  });
}

void Pipeline::run(std::size_t stage, std::shared_ptr<Flight> flight) {
  const Profiled own = Profiled::current();
  flight->profiled.apply();
  const bool goes_on = stages_[stage](*flight, stop_.get_token());
  own.apply();
  const std::size_t next = stage + 1;
  if (goes_on && next < stages_.size()) {
    // It takes jobs as long as the stages before it have some: see stop().
    static_cast<void>(workers_[next]->submit(
        [this, next, flight = std::move(flight)]() mutable { run(next, std::move(flight)); }));
  } else {
    flight.reset();
    slots_.release();
  }
}

void Pipeline::stop() {
  stop_.request_stop();
  for (const auto& worker : workers_) worker->finish();
}

}  // namespace lmgc::communicator
