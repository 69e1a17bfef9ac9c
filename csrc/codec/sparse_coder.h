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
/// column are kept. Returns how many are in each parameter, or neighbours that are coded together.
std::vector<std::size_t> encode_places(std::span<const std::int64_t> places,
                                       std::span<const Parameter> parameters, ByteWriter& writer);
/// Inverse, of `kept` places among `values`. Throws PayloadError.
struct Places {
  std::vector<std::int64_t> places;
  std::vector<std::size_t> runs;  ///< what encode_places returned
};
[[nodiscard]] Places decode_places(ByteReader& reader, std::size_t kept, std::size_t values);

/// Code of any float32 values by how far their sizes lie above the smallest of their run. `runs`
/// lie one after another.
[[nodiscard]] std::vector<std::byte> encode_sizes(std::span<const float> values,
                                                  std::span<const std::size_t> runs);
/// Inverse. Throws PayloadError.
void decode_sizes(std::span<const std::byte> code, std::span<const std::size_t> runs,
                  std::span<float> values);

}  // namespace lmgc::codec
