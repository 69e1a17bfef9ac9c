#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <torch/csrc/distributed/c10d/comm.hpp>
#include <unordered_map>
#include <vector>

#include "codec/codec.h"
#include "communicator/communicator.h"
#include "hook/planner.h"
#include "predict/history.h"

namespace lmgc::hook {

/// Lossy stages, and what they need to know of each parameter.
struct Stages {
  struct Parameter {
    std::string name;
    at::Tensor residual;  ///< flat float32, where stages run; undefined without error feedback
  };

  std::shared_ptr<const stages::Chain> chain;
  std::uint64_t seed = 0;
  std::unordered_map<const at::TensorImpl*, Parameter> parameters;
};

/// A codec, and a history of each parameter that has one.
struct Preset {
  std::string name;
  std::shared_ptr<const codec::Codec> codec;
  std::unordered_map<const at::TensorImpl*, std::shared_ptr<predict::History>> histories;
  std::optional<Stages> stages = std::nullopt;
};

/// Averages DDP's buckets through a communicator.
class Hook {
 public:
  /// `hosts`: ranks of each; empty: all ranks are alike. `presets`: if there are several, or
  /// `planning` is given, a planner chooses among them and a plain allreduce; it needs a group of
  /// its own.
  Hook(std::shared_ptr<communicator::Communicator> communicator,
       std::vector<std::vector<std::size_t>> hosts, std::vector<Preset> presets,
       std::optional<collective::Members> planning);
  ~Hook();
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;

  /// The future is completed with the average, or with an error. Returns at once, but where the
  /// planner waits for other ranks.
  [[nodiscard]] c10::intrusive_ptr<c10::ivalue::Future> run(const c10d::GradBucket& bucket);

  /// Fails what is under way. Call it without the GIL.
  void close();

  /// Null without one.
  [[nodiscard]] Planner* planner() { return planner_ ? &*planner_ : nullptr; }

 private:
  [[nodiscard]] std::shared_ptr<communicator::Flight> make_flight(const c10d::GradBucket& bucket,
                                                                  at::Tensor values) const;
  [[nodiscard]] Method method_of(communicator::Flight& flight);
  void set_stages(communicator::Flight& flight, const Stages& stages,
                  const std::vector<at::Tensor>& parameters);
  void begin_step(communicator::Flight& flight);
  void reduce_plainly(const std::shared_ptr<communicator::Flight>& flight);
  void reduce_coded(const c10d::GradBucket& bucket, const Preset& preset,
                    const std::shared_ptr<communicator::Flight>& whole);

  std::shared_ptr<communicator::Communicator> communicator_;
  std::vector<std::vector<std::size_t>> hosts_;
  std::shared_ptr<communicator::Operation> average_, staged_average_;
  std::vector<Preset> presets_;
  std::optional<collective::Members> planning_;
  std::optional<Planner> planner_;
  bool planning_failed_ = false;
  std::int64_t last_bucket_ = std::numeric_limits<std::int64_t>::max();
  std::stop_source stop_;
};

}  // namespace lmgc::hook
