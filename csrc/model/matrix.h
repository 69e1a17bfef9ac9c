#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/kernels.h"

namespace lmgc::model {

/// Products a thread takes at least, some 200 us of work: where other processes want the same
/// cores, a loop shared by threads may have to wait for a time slice.
inline constexpr std::int64_t kGrainProducts = std::int64_t{1} << 24;

/// Bytes that start on a cache line, zero at first.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::int64_t size);
  AlignedBytes(AlignedBytes&&) = default;
  AlignedBytes& operator=(AlignedBytes&&) = default;
  [[nodiscard]] std::int8_t* data() { return aligned_; }
  [[nodiscard]] const std::int8_t* data() const { return aligned_; }

 private:
  std::vector<std::int8_t> bytes_;
  std::int8_t* aligned_;
};

/// An int8 matrix [columns, depth], packed, with a scale per column.
class Matrix {
 public:
  /// `codes` [columns, depth] int8 and `scales` [columns] float32, both contiguous on the CPU.
  Matrix(const at::Tensor& codes, const at::Tensor& scales);

  [[nodiscard]] std::int64_t columns() const { return columns_; }
  /// Columns of a row of `multiply`'s results.
  [[nodiscard]] std::int64_t padded_columns() const { return round_up(columns_, kPanelColumns); }
  /// Codes of a row on the left; those past the depth must be zero.
  [[nodiscard]] std::int64_t padded_depth() const { return padded_depth_; }
  [[nodiscard]] const float* scales() const { return scales_.data(); }

  /// out [rows, padded_columns] = left [rows, padded_depth], prepared, times this, on all threads.
  void multiply(const Kernels& kernels, const void* left, std::int64_t rows,
                std::int32_t* out) const;

 private:
  std::int64_t columns_, padded_depth_;
  AlignedBytes panels_;
  std::vector<std::int32_t> column_sums_;
  std::vector<float> scales_;
};

}  // namespace lmgc::model
