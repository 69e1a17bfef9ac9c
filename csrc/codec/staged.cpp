#include "codec/staged.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace lmgc::codec {
namespace {

at::Tensor products(const Staged& staged) {
  std::vector<at::Tensor> parts;
  std::int64_t start = 0, first_step = 0;
  for (const StepRun& run : staged.runs) {
    const auto values = static_cast<std::int64_t>(run.values);
    const auto steps = static_cast<std::int64_t>(run.steps());
    const at::Tensor integers = by_step(staged.integers.narrow(0, start, values), run);
    const at::Tensor sizes = floats_of_steps(staged.steps.narrow(0, first_step, steps));
    parts.push_back(
        integers.to(at::kFloat).mul_(sizes.unsqueeze(1)).flatten().narrow(0, 0, values));
    start += values;
    first_step += steps;
  }
  return at::cat(parts);
}

at::Tensor start_copy(const at::Tensor& tensor) {
  if (!tensor.defined()) return tensor;
  const at::TensorOptions pinned = tensor.options().device(at::kCPU).pinned_memory(true);
  return at::empty(tensor.sizes(), pinned).copy_(tensor, /*non_blocking=*/true);
}

}  // namespace

at::Tensor values_of(const Staged& staged, std::int64_t count) {
  const at::Tensor sent = staged.integers.defined() ? products(staged) : staged.floats;
  if (!staged.kept.defined()) return sent;
  return at::zeros({count}, sent.options().dtype(at::kFloat))
      .index_copy_(0, staged.kept, sent.to(at::kFloat));
}

Staged on_host(const Staged& staged) {
  if (staged.values.is_cpu()) return staged;
  Staged host = staged;
  host.floats = start_copy(staged.floats);
  host.integers = start_copy(staged.integers);
  host.steps = start_copy(staged.steps);
  host.kept = start_copy(staged.kept);
  const at::Device device = staged.values.device();
  c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
  host.values = values_of(host, staged.values.numel());
  return host;
}

at::Tensor by_step(const at::Tensor& values, const StepRun& run) {
  const auto steps = static_cast<std::int64_t>(run.steps());
  const auto width = static_cast<std::int64_t>(run.run);
  const std::int64_t missing = steps * width - values.numel();
  return (missing > 0 ? at::constant_pad_nd(values, {0, missing}) : values).view({steps, width});
}

at::Tensor floats_of_steps(const at::Tensor& steps) {
  return steps.to(at::kInt).bitwise_left_shift_(kDroppedStepBits).view(at::kFloat);
}

}  // namespace lmgc::codec
