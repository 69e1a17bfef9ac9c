#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <cstdint>
#include <vector>

#include "codec/parameter.h"
#include "codec/shards.h"
#include "collective/exchange.h"
#include "hook/counters.h"
#include "hook/profiled.h"

namespace lmgc::hook {

/// What is needed of a c10d::GradBucket, which does not outlive runHook.
struct Bucket {
  std::int64_t index = 0;
  at::Tensor values;
  std::vector<codec::Parameter> parameters;
};

/// A bucket under way, from DDP's call to its future's completion.
struct Flight {
  Bucket bucket;
  c10::intrusive_ptr<c10::ivalue::Future> future;
  Profiled profiled = Profiled::current();
  std::int64_t number = 0;  ///< of flights since registration
  Counters counters;
  std::vector<codec::Shard> shards;  ///< one for each rank; empty: every rank sums all
  at::Tensor own;                    ///< what this rank adds to or has summed
  collective::Contribution outgoing;
  collective::Limit limit;  ///< of payloads in the next exchange
  collective::Exchanged incoming;
};

}  // namespace lmgc::hook
