#pragma once

#include <functional>
#include <memory>

#include "codec/representation.h"
#include "codec/text_head.h"
#include "prior/prior.h"
#include "serialize/text_format.h"

namespace lmgc::codec {

/// Preset `paper` (LM-GC, section 3): the tensor as text, its symbols through a language model's
/// prior, one chunk a window.
class TextRepresentation final : public Representation {
 public:
  /// A prior for texts of a format in windows of a number of tokens.
  using PriorFactory = std::function<std::unique_ptr<prior::Prior>(const serialize::TextFormat&,
                                                                   std::size_t window)>;

  /// Decoded payloads may have windows shorter than `head`'s, which is at most `max_window`.
  /// `lanes`: chunks that the prior takes at a time, at most. Throws std::invalid_argument for a
  /// window in which no group fits.
  TextRepresentation(const TextHead& head, std::size_t max_window, std::size_t lanes,
                     PriorFactory prior);

  [[nodiscard]] Preset preset() const override { return Preset::kPaper; }
  [[nodiscard]] Parts encode(serialize::DType dtype, std::span<const std::byte> values,
                             std::span<const Parameter> parameters) const override;
  [[nodiscard]] std::uint64_t capacity_bytes(serialize::DType dtype,
                                             std::span<const std::byte> body) const override;
  void decode(serialize::DType dtype, std::span<const std::byte> body,
              std::span<const Parameter> parameters, std::span<std::byte> values) const override;

 private:
  /// Calls work(first, count) for all `chunks`; again with fewer where memory does not suffice.
  template <typename Work>
  void for_lanes(std::size_t chunks, const Work& work) const;

  TextHead head_;
  std::size_t lanes_;
  PriorFactory prior_;
};

}  // namespace lmgc::codec
