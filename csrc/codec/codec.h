#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>

#include "codec/representation.h"
#include "codec/staged.h"

namespace lmgc::codec {

/// A payload is never longer than its raw values and this.
inline constexpr std::int64_t kMaxOverheadBytes = static_cast<std::int64_t>(kMaxHeaderBytes);

/// Number of a Torch dtype in a payload. Throws c10::TypeError naming the supported ones.
[[nodiscard]] serialize::DType payload_dtype(at::ScalarType dtype);

/// Throws c10::ValueError for parameters that do not add up to `tensor`.
void check_parameters(const at::Tensor& tensor, std::span<const Parameter> parameters);

/// Turns tensors into payloads and back, bit for bit. Immutable and thread-safe.
class Codec {
 public:
  /// `representation`: how the preset writes a tensor.
  explicit Codec(std::shared_ptr<const Representation> representation);

  /// Payload (1-D uint8, on the gradient's device) of a dense tensor of a supported dtype.
  /// `parameters`: those in it, in order; empty: it is one. `raw_fallback`: values that the preset
  /// does not shrink go raw, which keeps payloads within kMaxOverheadBytes. `occasion`: a payload
  /// decodes only for that which it was encoded for, even where layouts are the same. Throws
  /// c10::TypeError for other dtypes or layouts, c10::ValueError for parameters that do not add up
  /// to the tensor or shapes beyond the header's limits.
  [[nodiscard]] at::Tensor encode(const at::Tensor& gradient,
                                  std::span<const Parameter> parameters = {},
                                  bool raw_fallback = true, std::uint64_t occasion = 0) const;

  /// The same of what lossy stages made, on the host: its `values` are decoded.
  [[nodiscard]] at::Tensor encode_staged(const Staged& staged,
                                         std::span<const Parameter> parameters,
                                         std::uint64_t occasion = 0) const;

  /// The tensor of `payload`, on the payload's device. `parameters`: as encoded, if they have
  /// history. Throws PayloadError.
  [[nodiscard]] at::Tensor decode(const at::Tensor& payload,
                                  std::span<const Parameter> parameters = {}) const;

  /// The same into the contiguous `gradient`, whose dtype and number of values the payload must
  /// have. After an error its values are undefined.
  void decode_into(const at::Tensor& payload, std::span<const Parameter> parameters,
                   at::Tensor& gradient, std::uint64_t occasion = 0) const;

  /// What each parameter of a shard takes of its payload's body. Throws PayloadError.
  [[nodiscard]] std::vector<std::int64_t> bytes_of_parameters(
      const at::Tensor& payload, std::span<const Parameter> parameters) const;

 private:
  /// Throws PayloadError, also for another preset's.
  [[nodiscard]] Payload read(std::span<const std::byte> bytes) const;
  /// Most bytes of values that a payload can hold.
  [[nodiscard]] std::uint64_t capacity_bytes(const Payload& payload) const;
  void decode_body(const Payload& payload, std::span<const Parameter> parameters,
                   std::span<std::byte> values, std::uint64_t occasion) const;

  std::shared_ptr<const Representation> representation_;
};

}  // namespace lmgc::codec
