#include "hook/units.h"

#include <utility>

namespace lmgc::hook {
namespace {

/// DDP's buckets of 25 MiB leave a link idle while their first is encoded and their last decoded.
/// Much smaller ones cost more messages, and cut more tiles between ranks.
constexpr std::int64_t kUnitBytes = 4 << 20;

}  // namespace

std::vector<Unit> units_of(const at::Tensor& bucket, const std::vector<at::Tensor>& parameters) {
  if (parameters.size() == 1) return {{bucket, parameters}};  // also a sparse one
  const std::int64_t most = kUnitBytes / static_cast<std::int64_t>(bucket.element_size());
  std::vector<Unit> units;
  std::int64_t start = 0, values = 0;
  const auto close = [&](std::vector<at::Tensor> held) {
    units.push_back({bucket.narrow(0, start, values), std::move(held)});
    start += std::exchange(values, 0);
  };
  std::vector<at::Tensor> held;
  for (const at::Tensor& parameter : parameters) {
    if (!held.empty() && values + parameter.numel() > most) close(std::exchange(held, {}));
    held.push_back(parameter);
    values += parameter.numel();
  }
  close(std::move(held));
  return units;
}

}  // namespace lmgc::hook
