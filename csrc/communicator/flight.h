#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Event.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "codec/parameter.h"
#include "codec/shards.h"
#include "collective/exchange.h"
#include "communicator/counters.h"
#include "communicator/operation.h"
#include "communicator/profiled.h"
#include "communicator/staging.h"

namespace lmgc::communicator {

/// Values on which ranks work together, from the call to its future's completion.
struct Flight {
  const char* caller = "";  ///< for messages: "hook" has "bucket" 3
  const char* noun = "";
  const char* remedy = "";  ///< when ranks are at different ones
  std::int64_t index = 0;
  std::int64_t unit = 0;   ///< of several with one index, in their order
  std::string described;   ///< what else must be equal on all ranks
  std::int64_t kind = 0;   ///< fingerprint of that
  std::int64_t tally = 0;  ///< whose counters
  /// All ranks take part in its first exchange. When they agree that it failed, it ends there, and
  /// later flights go on without it.
  bool independent = false;
  bool learns = true;  ///< histories observe its result
  at::Tensor values;
  std::shared_ptr<const c10::Event> there;  ///< when the values are, if a device brings them
  std::int64_t divisor = 1;                 ///< of sums
  std::vector<codec::Parameter> parameters;
  std::shared_ptr<const codec::Codec> codec;
  std::shared_ptr<const Staging> staging;  ///< of reduce_staged
  std::shared_ptr<Operation> operation;
  /// Completed, with whatever, before the histories may be used.
  c10::intrusive_ptr<c10::ivalue::Future> after;

  c10::intrusive_ptr<c10::ivalue::Future> future =
      c10::make_intrusive<c10::ivalue::Future>(c10::TensorType::get());
  Profiled profiled = Profiled::current();
  std::int64_t number = -1;  ///< of the communicator's flights, once it is under way
  Counters counters;
  std::vector<codec::Shard> shards;  ///< one for each rank, where each sums its own
  std::uint64_t cut = 0;             ///< their fingerprint
  std::vector<at::Tensor> parts;     ///< what this rank adds to or has summed
  collective::Contribution outgoing;
  collective::Limit limit;  ///< of payloads in the next exchange
  collective::Exchanged incoming;
  std::optional<std::string> failure;  ///< which ranks in later exchanges have yet to hear of
};

}  // namespace lmgc::communicator
