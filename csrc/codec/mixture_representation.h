#pragma once

#include <functional>
#include <optional>

#include "codec/text_representation.h"

namespace lmgc::codec {

/// Preset `paper` with a mixture of experts: on the values' bits, with the language model's word on
/// each or without. One code for the whole tensor.
class MixtureRepresentation final : public Representation {
 public:
  using PriorFactory = TextRepresentation::PriorFactory;

  /// Experts alone. `checkpoint` is called now and then; what it throws ends the call.
  MixtureRepresentation(serialize::ByteOrder order, std::function<void()> checkpoint);
  /// Text and windows as in TextRepresentation, but a window holds whole values. Throws
  /// std::invalid_argument for one in which no value of 8 bytes fits.
  MixtureRepresentation(const TextHead& head, std::size_t max_window, PriorFactory prior);

  [[nodiscard]] Preset preset() const override { return Preset::kMixture; }
  [[nodiscard]] Parts encode(serialize::DType dtype, std::span<const std::byte> values,
                             std::span<const Parameter> parameters) const override;
  [[nodiscard]] std::uint64_t capacity_bytes(serialize::DType dtype,
                                             std::span<const std::byte> body) const override;
  void decode(serialize::DType dtype, std::span<const std::byte> body,
              std::span<const Parameter> parameters, std::span<std::byte> values) const override;

 private:
  serialize::ByteOrder order_;
  std::optional<TextHead> head_;  // none: experts alone
  PriorFactory prior_;
  std::function<void()> checkpoint_;
};

}  // namespace lmgc::codec
