#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "codec/parameter.h"
#include "communicator/communicator.h"
#include "communicator/operation.h"

namespace lmgc::communicator {

/// How the values of a call are coded.
struct Coding {
  std::shared_ptr<const codec::Codec> codec;
  std::vector<codec::Parameter> parameters;  ///< empty: the values are one
  std::string name;                          ///< equal on all ranks
  std::string problem;                       ///< why this rank has no codec

  [[nodiscard]] bool has_history() const;
};

/// Calls as torch.distributed has them, on a communicator of their own. What a call cannot take is
/// told to all ranks: it fails on each of them, and the next goes on. Not thread-safe.
class Collectives {
 public:
  using Tensors = std::vector<at::Tensor>;
  using FuturePtr = c10::intrusive_ptr<c10::ivalue::Future>;

  /// All of the communicator's ranks take part in its first exchange.
  explicit Collectives(std::shared_ptr<Communicator> communicator);

  // Each returns at once; the future is completed with the outputs when they hold the result. On a
  // device they may get it later: streams of the future's users wait for that. `op`: SUM or AVG.
  // `after`: null, or a call with the same histories that comes before.

  /// The sum or average of all ranks' tensors in place of this rank's. Histories observe it.
  [[nodiscard]] FuturePtr all_reduce(const at::Tensor& tensor, const std::string& op,
                                     const Coding& coding, FuturePtr after);
  /// `outputs`: a tensor for each rank, or one of all ranks' values.
  [[nodiscard]] FuturePtr all_gather(const Tensors& outputs, const at::Tensor& input,
                                     const Coding& coding, FuturePtr after);
  /// `inputs`: a tensor for each rank, or one of all parts.
  [[nodiscard]] FuturePtr reduce_scatter(const at::Tensor& output, const Tensors& inputs,
                                         const std::string& op, const Coding& coding);

 private:
  [[nodiscard]] std::shared_ptr<Flight> make_flight(const char* caller,
                                                    const std::shared_ptr<Operation>& operation);
  /// Calls fill(flight), which throws for what it cannot take, and submits it.
  template <typename Fill>
  [[nodiscard]] FuturePtr start(const std::shared_ptr<Flight>& flight, const Tensors& outputs,
                                const Fill& fill);
  void check_op(const std::string& op, const at::Tensor& tensor) const;

  std::shared_ptr<Communicator> communicator_;
  std::int64_t world_size_;
  std::shared_ptr<Operation> gather_, scatter_;
  std::int64_t calls_ = 0;
};

}  // namespace lmgc::communicator
