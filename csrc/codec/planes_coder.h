#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/parameter.h"
#include "serialize/dtype.h"

/// Integers by planes: their top bytes through an adaptive order-0 prior of each parameter, the
/// other bits raw. Chunks are coded in parallel. As Representation's functions.
namespace lmgc::codec {

[[nodiscard]] std::vector<std::byte> encode_planes(serialize::DType dtype,
                                                   std::span<const std::byte> values,
                                                   std::span<const Parameter> parameters);
[[nodiscard]] std::uint64_t planes_capacity_bytes(serialize::DType dtype,
                                                  std::span<const std::byte> body);
void decode_planes(serialize::DType dtype, std::span<const std::byte> body,
                   std::span<std::byte> values);

}  // namespace lmgc::codec
