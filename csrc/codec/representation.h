#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "codec/header.h"
#include "codec/parameter.h"
#include "serialize/dtype.h"

namespace lmgc::codec {

/// A body in parts that follow one another.
using Parts = std::vector<std::vector<std::byte>>;

/// Neighbours in a tensor, and what they take of its body.
struct Extent {
  std::uint64_t values, bytes;
};

/// How a preset writes a tensor's values as the body of a payload. Immutable and thread-safe.
class Representation {
 public:
  virtual ~Representation() = default;

  [[nodiscard]] virtual Preset preset() const = 0;
  /// Whether it tries tiles in sections.
  [[nodiscard]] virtual bool own_rows() const { return false; }

  /// Body of `values` (whole little-endian elements of `dtype`, aligned, not empty). `parameters`:
  /// those in it, adding up to all of them.
  [[nodiscard]] virtual Parts encode(serialize::DType dtype, std::span<const std::byte> values,
                                     std::span<const Parameter> parameters) const = 0;

  /// Most bytes of values that `body` can hold: what a decoder checks before it allocates. Throws
  /// PayloadError.
  [[nodiscard]] virtual std::uint64_t capacity_bytes(serialize::DType dtype,
                                                     std::span<const std::byte> body) const = 0;

  /// What the values of `body` take, one extent after another; by default all are one. Throws
  /// PayloadError.
  [[nodiscard]] virtual std::vector<Extent> extents(serialize::DType, std::uint64_t values,
                                                    std::span<const std::byte> body) const {
    return {{values, body.size()}};
  }

  /// Fills `values`, aligned, from `body`. `parameters`: as encoded, if their history was used.
  /// Throws PayloadError; any bytes end in values or in that error.
  virtual void decode(serialize::DType dtype, std::span<const std::byte> body,
                      std::span<const Parameter> parameters, std::span<std::byte> values) const = 0;
};

}  // namespace lmgc::codec
