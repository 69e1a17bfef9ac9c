#pragma once

#include "codec/representation.h"

namespace lmgc::codec {

/// Preset `planes`: symbols (sign and exponent) of each parameter through an adaptive order-0
/// prior, mantissa bits raw. Chunks are coded in parallel.
class PlanesRepresentation final : public Representation {
 public:
  [[nodiscard]] Preset preset() const override { return Preset::kPlanes; }
  [[nodiscard]] std::vector<std::byte> encode(serialize::DType dtype,
                                              std::span<const std::byte> values,
                                              std::span<const std::int64_t> lengths) const override;
  [[nodiscard]] std::uint64_t capacity_bytes(serialize::DType dtype,
                                             std::span<const std::byte> body) const override;
  void decode(serialize::DType dtype, std::span<const std::byte> body,
              std::span<std::byte> values) const override;
};

}  // namespace lmgc::codec
