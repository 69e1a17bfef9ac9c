#pragma once

#include "codec/representation.h"

namespace lmgc::codec {

/// Presets `fast`, `balanced` and `max`: floats are predicted from history where there is some, and
/// coded by tiles, in parallel. Integers go by planes.
class StructureRepresentation final : public Representation {
 public:
  /// `rows_above`: tiles are predicted row from row where history says less, or nothing; it takes
  /// two to four times as long. `own_rows`: encodes tiles in sections that learn from each other
  /// too, where that is shorter; it takes several times as long.
  StructureRepresentation(bool rows_above, bool own_rows)
      : rows_above_(rows_above), own_rows_(own_rows) {}

  [[nodiscard]] Preset preset() const override { return Preset::kStructure; }
  [[nodiscard]] bool own_rows() const override { return own_rows_; }
  [[nodiscard]] Parts encode(serialize::DType dtype, std::span<const std::byte> values,
                             std::span<const Parameter> parameters) const override;
  [[nodiscard]] std::uint64_t capacity_bytes(serialize::DType dtype,
                                             std::span<const std::byte> body) const override;
  [[nodiscard]] std::vector<Extent> extents(serialize::DType dtype, std::uint64_t values,
                                            std::span<const std::byte> body) const override;
  void decode(serialize::DType dtype, std::span<const std::byte> body,
              std::span<const Parameter> parameters, std::span<std::byte> values) const override;

 private:
  bool rows_above_, own_rows_;
};

}  // namespace lmgc::codec
