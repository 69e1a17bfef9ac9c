#include "hook/units.h"

#include <algorithm>
#include <utility>

namespace lmgc::hook {
namespace {

/// DDP's buckets of 25 MiB leave a link idle while their first is encoded and their last decoded.
/// Much smaller ones cost more messages, and cut more tiles between ranks.
constexpr std::int64_t kLeastBytes = 4 << 20, kLeastBytesARank = 512 << 10;

}  // namespace

std::vector<Unit> units_of(const at::Tensor& bucket, const std::vector<at::Tensor>& parameters,
                           std::int64_t ranks) {
  if (parameters.size() == 1) return {{bucket, parameters}};  // also a sparse one
  const std::int64_t total = bucket.numel();
  const std::int64_t unit_bytes = std::max(kLeastBytes, ranks * kLeastBytesARank);
  const std::int64_t count =
      std::max<std::int64_t>(static_cast<std::int64_t>(bucket.nbytes()) / unit_bytes, 1);
  std::vector<Unit> units;
  std::vector<at::Tensor> held;
  std::int64_t start = 0, end = 0;
  std::int64_t full = total / count;  // where the unit ends, or in the parameter that is there
  for (const at::Tensor& parameter : parameters) {
    held.push_back(parameter);
    end += parameter.numel();
    if (end < full) continue;
    units.push_back({bucket.narrow(0, start, end - start), std::exchange(held, {})});
    start = end;
    full = (end * count / total + 1) * total / count;
  }
  return units;
}

}  // namespace lmgc::hook
