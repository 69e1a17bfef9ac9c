#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codec/byte_stream.h"
#include "codec/parameter.h"

/// Which values of a tensor are kept, and the bits of those (docs/format.md, `sparse`).
namespace lmgc::codec {

/// Appends the code of rising `places` among the parameters' values, by how many of their row and
/// column are kept.
void encode_places(std::span<const std::int64_t> places, std::span<const Parameter> parameters,
                   ByteWriter& writer);
/// Inverse, of `kept` places among `values`. Throws PayloadError.
[[nodiscard]] std::vector<std::int64_t> decode_places(ByteReader& reader, std::size_t kept,
                                                      std::size_t values);

/// Code of any float32 values by how far their sizes lie above the smallest.
[[nodiscard]] std::vector<std::byte> encode_sizes(std::span<const float> values);
/// Inverse. Throws PayloadError.
void decode_sizes(std::span<const std::byte> code, std::span<float> values);

}  // namespace lmgc::codec
