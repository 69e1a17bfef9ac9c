#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

#include "codec/representation.h"

namespace lmgc::codec {

/// Turns tensors into payloads and back, bit for bit. Immutable and thread-safe.
class Codec {
 public:
  /// `representation`: how the preset writes a tensor; what it does not shrink goes raw.
  explicit Codec(std::shared_ptr<const Representation> representation);

  /// Payload (1-D uint8, on the gradient's device) of a dense tensor of a supported dtype.
  /// `lengths`: values of each parameter in it, in order; empty: one parameter.
  /// Throws c10::TypeError for other dtypes or layouts, c10::ValueError for lengths that do not add up.
  [[nodiscard]] at::Tensor encode(const at::Tensor& gradient,
                                  std::span<const std::int64_t> lengths = {}) const;

  /// The tensor of `payload`, on the payload's device. Throws PayloadError.
  [[nodiscard]] at::Tensor decode(const at::Tensor& payload) const;

  /// The same into `gradient`, whose dtype and number of values the payload must have. On an error
  /// `gradient` is unchanged or partly written; nobody may use it.
  void decode_into(const at::Tensor& payload, at::Tensor& gradient) const;

 private:
  std::shared_ptr<const Representation> representation_;
};

}  // namespace lmgc::codec
