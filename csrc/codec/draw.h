#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

/// Numbers that look random and follow from a key and their place: the same on any device.
namespace lmgc::codec {

/// Another key for each purpose and occasion.
[[nodiscard]] std::uint64_t mixed(std::uint64_t key, std::uint64_t purpose);

/// int64 [count] of 32 bits each. Requires count <= 2^31.
[[nodiscard]] at::Tensor noise(std::int64_t count, std::uint64_t key,
                               const at::TensorOptions& options);

/// `kept` of `count` places, int64, rising: all sets are as likely.
[[nodiscard]] at::Tensor drawn(std::int64_t count, std::int64_t kept, std::uint64_t key,
                               const at::TensorOptions& options);

}  // namespace lmgc::codec
