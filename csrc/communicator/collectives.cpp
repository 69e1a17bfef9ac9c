#include "communicator/collectives.h"

#include <ATen/Functions.h>
#include <c10/core/StreamGuard.h>

#include <algorithm>
#include <optional>
#include <span>
#include <sstream>
#include <utility>

#include "codec/header.h"
#include "communicator/delivery.h"
#include "communicator/host_copy.h"
#include "communicator/rank_operation.h"
#include "communicator/reason.h"

namespace lmgc::communicator {
namespace {

using Tensors = Collectives::Tensors;

void check_tensor(const at::Tensor& tensor) {
  TORCH_CHECK_TYPE(!tensor.is_complex(), "dtype ", tensor.scalar_type(),
                   " is not supported; pass torch.view_as_real(tensor)");
  TORCH_CHECK_TYPE(tensor.layout() == at::kStrided, "layout ", tensor.layout(),
                   " is not supported; pass a dense tensor");
  TORCH_CHECK_TYPE(tensor.is_cpu() || tensor.is_cuda(), "tensors on ", tensor.device(),
                   " are not supported yet; pass tensor.cpu()");
  static_cast<void>(codec::payload_dtype(tensor.scalar_type()));
}

/// What a call works on: tensors of one dtype, on one device.
void check_tensors(const at::Tensor& one, const Tensors& others) {
  check_tensor(one);
  for (const at::Tensor& other : others) {
    check_tensor(other);
    TORCH_CHECK_TYPE(other.scalar_type() == one.scalar_type(),
                     "inputs and outputs must have one dtype, got ", one.scalar_type(), " and ",
                     other.scalar_type());
    TORCH_CHECK_TYPE(other.device() == one.device(),
                     "inputs and outputs must be on one device, got ", one.device(), " and ",
                     other.device());
  }
}

/// `parts`: one tensor for each rank, of as many values as `part`, or one of all.
void check_parts(const char* name, const Tensors& parts, const at::Tensor& part,
                 std::int64_t world_size) {
  std::vector<std::int64_t> counts;
  for (const at::Tensor& tensor : parts) counts.push_back(tensor.numel());
  const std::int64_t count = part.numel();
  const bool fits =
      counts == std::vector{world_size * count} ||
      (static_cast<std::int64_t>(counts.size()) == world_size &&
       std::ranges::all_of(counts, [&](std::int64_t other) { return other == count; }));
  TORCH_CHECK_VALUE(fits, name, " must be one tensor of ", world_size, " x ", count, " values or ",
                    world_size, " tensors of ", count, ", got ", at::IntArrayRef(counts));
}

at::Tensor flat(const Tensors& tensors) {
  Tensors parts;
  for (const at::Tensor& tensor : tensors) {
    parts.push_back(tensor.detach().resolve_neg().reshape({-1}));
  }
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

/// For a call's future, whose users' streams wait for what it holds. Those of a call that fails
/// may be anywhere.
std::vector<c10::Device> devices_of(const Tensors& outputs) {
  if (outputs.empty() || !outputs.front().is_cuda()) return {};
  return {outputs.front().device()};
}

/// Of values that are on a device: they come to the host, and the result goes back.
std::shared_ptr<DeviceDelivery> go_by_host(Flight& flight, const Tensors& outputs) {
  HostCopy copy = copy_to_host(flight.values);
  flight.values = std::move(copy.values);
  flight.there = std::move(copy.there);
  return std::make_shared<DeviceDelivery>(outputs, flight.values);
}

void set_coding(Flight& flight, const Coding& coding, const std::string& op,
                const at::Tensor& part) {
  if (!coding.problem.empty()) throw std::runtime_error(coding.problem);
  flight.codec = coding.codec;
  flight.parameters = coding.parameters;
  if (flight.parameters.empty()) flight.parameters = {{part.sizes().vec(), nullptr}};
  codec::check_parameters(part, flight.parameters);
  std::ostringstream text;
  text << ", " << flight.caller << " " << op << (op.empty() ? "of " : " of ") << part.scalar_type();
  for (const codec::Parameter& parameter : flight.parameters) {
    text << ' ' << at::IntArrayRef(parameter.shape);
  }
  text << " by " << coding.name;
  flight.described = text.str();
  flight.kind = static_cast<std::int64_t>(codec::hash(std::as_bytes(std::span(flight.described))));
}

}  // namespace

bool Coding::has_history() const {
  return std::ranges::any_of(
      parameters, [](const codec::Parameter& parameter) { return parameter.history != nullptr; });
}

Collectives::Collectives(std::shared_ptr<Communicator> communicator)
    : communicator_(std::move(communicator)) {
  const collective::Members& members = communicator_->members(0);
  world_size_ = members.world_size();
  // All begin with the same exchange, so that ranks that make different calls meet and hear of it.
  gather_ = communicator::all_gather(members, 0);
  scatter_ = communicator::reduce_scatter(members, 0);
}

std::shared_ptr<Flight> Collectives::make_flight(const char* caller,
                                                 const std::shared_ptr<Operation>& operation) {
  auto flight = std::make_shared<Flight>();
  flight->caller = caller;
  flight->noun = "call";
  flight->remedy = "make the same calls in the same order on every rank";
  flight->index = calls_++;
  flight->independent = true;
  flight->learns = false;
  flight->counters.buckets = 1;
  flight->operation = operation;
  return flight;
}

template <typename Fill>
Collectives::FuturePtr Collectives::start(const std::shared_ptr<Flight>& flight,
                                          const Tensors& outputs, const Fill& fill) {
  std::shared_ptr<DeviceDelivery> by_host;
  try {
    fill(*flight);
    if (world_size_ > 1 && flight->values.is_cuda()) by_host = go_by_host(*flight, outputs);
  } catch (const std::exception& error) {
    flight->outgoing.content = reason_of(error);
  }
  const auto done =
      c10::make_intrusive<c10::ivalue::Future>(c10::ListType::ofTensors(), devices_of(outputs));
  // On a thread of the communicator, which outlives it, or on this one.
  flight->future->addCallback([communicator = communicator_.get(), flight, outputs, by_host,
                               done](c10::ivalue::Future& future) {
    if (future.hasError()) return done->setError(future.exception_ptr());
    std::optional<c10::Stream> stream;
    try {
      const at::Tensor result = future.value().toTensor();
      by_host ? by_host->start(result) : deliver(result, outputs);
      if (by_host) stream = by_host->stream();
    } catch (const std::exception& error) {
      return done->setError(communicator->error(*flight, reason_of(error)));
    }
    const c10::OptionalStreamGuard guard(stream);
    done->markCompleted(outputs);
  });
  const auto* problem = std::get_if<std::string>(&flight->outgoing.content);
  if (world_size_ > 1) {
    communicator_->submit(flight);
  } else if (problem != nullptr) {
    flight->future->setError(communicator_->error(*flight, *problem));
  } else {
    flight->future->markCompleted(flight->values);
  }
  return done;
}

void Collectives::check_op(const std::string& op, const at::Tensor& tensor) const {
  TORCH_CHECK_VALUE(op == "SUM" || op == "AVG", "ReduceOp ", op,
                    " is not supported; use SUM or AVG");
  TORCH_CHECK_TYPE(op == "SUM" || tensor.is_floating_point(), "ReduceOp AVG of dtype ",
                   tensor.scalar_type(), " would round; use SUM and divide");
  const bool sums = !c10::isBarebonesUnsignedType(tensor.scalar_type());
  TORCH_CHECK_TYPE(sums, "PyTorch has no sums of dtype ", tensor.scalar_type(),
                   "; use a signed integer dtype");
}

Collectives::FuturePtr Collectives::all_reduce(const at::Tensor& tensor, const std::string& op,
                                               const Coding& coding, FuturePtr after) {
  // One for each call: shards that depended on earlier calls would differ after one that failed.
  const auto sum = reduce(communicator_->members(0));
  return start(make_flight("all_reduce", sum), {tensor}, [&](Flight& flight) {
    check_tensor(tensor);
    check_op(op, tensor);
    flight.values = flat({tensor});
    flight.divisor = op == "AVG" ? world_size_ : 1;
    flight.learns = coding.has_history();
    TORCH_CHECK_TYPE(!flight.learns || tensor.is_floating_point(), "dtype ", tensor.scalar_type(),
                     " has no history; use a Codec without shapes");
    flight.after = std::move(after);
    set_coding(flight, coding, op, tensor);
  });
}

Collectives::FuturePtr Collectives::all_gather(const Tensors& outputs, const at::Tensor& input,
                                               const Coding& coding, FuturePtr after) {
  return start(make_flight("all_gather", gather_), outputs, [&](Flight& flight) {
    check_tensors(input, outputs);
    check_parts("outputs", outputs, input, world_size_);
    flight.values = flat({input});
    flight.after = std::move(after);
    set_coding(flight, coding, "", input);
  });
}

Collectives::FuturePtr Collectives::reduce_scatter(const at::Tensor& output, const Tensors& inputs,
                                                   const std::string& op, const Coding& coding) {
  return start(make_flight("reduce_scatter", scatter_), {output}, [&](Flight& flight) {
    check_tensors(output, inputs);
    check_parts("inputs", inputs, output, world_size_);
    check_op(op, output);
    TORCH_CHECK_VALUE(!coding.has_history(),
                      "a rank does not know the averages of the others' parts, so they have no "
                      "history; use a Codec without shapes");
    flight.values = flat(inputs);
    flight.divisor = op == "AVG" ? world_size_ : 1;
    set_coding(flight, coding, op, output);
  });
}

}  // namespace lmgc::communicator
