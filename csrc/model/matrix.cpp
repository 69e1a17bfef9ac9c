#include "model/matrix.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>

#include "parallel.h"

namespace lmgc::model {
namespace {

constexpr std::size_t kCacheLine = 64;

}  // namespace

AlignedBytes::AlignedBytes(std::int64_t size)
    : bytes_(static_cast<std::size_t>(size) + kCacheLine), aligned_(bytes_.data()) {
  void* start = bytes_.data();
  std::size_t space = bytes_.size();
  aligned_ = static_cast<std::int8_t*>(
      std::align(kCacheLine, static_cast<std::size_t>(size), start, space));
}

Matrix::Matrix(const at::Tensor& codes, const at::Tensor& scales)
    : columns_(codes.size(0)),
      padded_depth_(round_up(codes.size(1), kPanelDepth)),
      panels_(round_up(columns_, kPanelColumns) * padded_depth_),
      column_sums_(static_cast<std::size_t>(padded_columns())),
      scales_(scales.const_data_ptr<float>(), scales.const_data_ptr<float>() + columns_) {
  scales_.resize(static_cast<std::size_t>(padded_columns()));
  const std::int64_t depth = codes.size(1);
  const std::int8_t* from = codes.const_data_ptr<std::int8_t>();
  parallel_ranges(columns_, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t column = begin; column < end; ++column) {
      const std::int8_t* codes_of_column = from + column * depth;
      column_sums_[static_cast<std::size_t>(column)] =
          std::accumulate(codes_of_column, codes_of_column + depth, std::int32_t{0});
      for (std::int64_t inner = 0; inner < depth; inner += kPanelDepth) {
        const auto count = static_cast<std::size_t>(std::min(kPanelDepth, depth - inner));
        std::memcpy(panels_.data() + packed_index(column, inner, kPanelColumns * padded_depth_),
                    codes_of_column + inner, count);
      }
    }
  });
}

void Matrix::multiply(const Kernels& kernels, const void* left, std::int64_t rows,
                      std::int32_t* out) const {
  if (rows == 0) return;
  const std::int64_t panel_stride = padded_depth_ * kPanelColumns;
  const std::int64_t grain = kGrainProducts / (rows * panel_stride) + 1;
  parallel_ranges(padded_columns() / kPanelColumns, grain,
                  [&](std::int64_t begin, std::int64_t end) {
                    kernels.multiply({.rows = rows,
                                      .depth = padded_depth_,
                                      .left = left,
                                      .left_stride = padded_depth_,
                                      .panels = panels_.data() + begin * panel_stride,
                                      .panel_stride = panel_stride,
                                      .panel_count = end - begin,
                                      .column_sums = column_sums_.data() + begin * kPanelColumns,
                                      .out = out + begin * kPanelColumns,
                                      .out_stride = padded_columns()});
                  });
}

}  // namespace lmgc::model
