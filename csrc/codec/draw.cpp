#include "codec/draw.h"

#include <ATen/Functions.h>

namespace lmgc::codec {
namespace {

constexpr std::int64_t kLow32 = 0xffffffff;

/// A bijection of 32 bits, elementwise in place. (Factors below 2^31: products fit int64.)
void mix_(at::Tensor& words) {
  const auto fold = [&](int shift) { words.bitwise_xor_(words.bitwise_right_shift(shift)); };
  fold(16);
  words.mul_(0x7feb352d).bitwise_and_(kLow32);
  fold(15);
  words.mul_(0x046ca68b).bitwise_and_(kLow32);
  fold(16);
}

}  // namespace

std::uint64_t mixed(std::uint64_t key, std::uint64_t purpose) {  // splitmix64
  std::uint64_t word = key + 0x9e3779b97f4a7c15 * (purpose + 1);
  word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
  word = (word ^ word >> 27) * 0x94d049bb133111eb;
  return word ^ word >> 31;
}

at::Tensor noise(std::int64_t count, std::uint64_t key, const at::TensorOptions& options) {
  TORCH_CHECK_VALUE(count <= std::int64_t{1} << 31, "noise for ", count, " values; at most 2^31");
  at::Tensor words = at::arange(count, options.dtype(at::kLong));
  words.bitwise_xor_(static_cast<std::int64_t>(key & kLow32));
  mix_(words);
  words.bitwise_xor_(static_cast<std::int64_t>(key >> 32));
  mix_(words);
  return words;
}

at::Tensor drawn(std::int64_t count, std::int64_t kept, std::uint64_t key,
                 const at::TensorOptions& options) {
  at::Tensor order = noise(count, key, options);
  order.bitwise_and_(0x7fffffff).mul_(std::int64_t{1} << 32);
  order.add_(at::arange(count, options.dtype(at::kLong)));  // no two are equal
  const at::Tensor least = std::get<0>(order.topk(kept, 0, /*largest=*/false, /*sorted=*/false));
  return std::get<0>(least.bitwise_and(kLow32).sort());
}

}  // namespace lmgc::codec
