#include <algorithm>
#include <memory>

#include "model/formulas.h"
#include "model/forward.h"

namespace lmgc::model {
namespace {

/// Between rows of a power of two of bytes, so that they do not share cache sets.
constexpr std::int64_t kRowGap = 32;

template <typename T>
std::unique_ptr<T[]> buffer(std::int64_t size) {
  return std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(size));
}

}  // namespace

void Forward::mix(std::int64_t layer, std::int64_t lane, std::int64_t kv_head, std::int64_t step,
                  std::int64_t steps) {
  const KeyValueCache::Head head = cache_.head(layer, first_lane_ + lane, kv_head);
  const std::int64_t rows = steps * group_;
  const std::int64_t first_query = ((lane * a_.kv_heads + kv_head) * steps_ + step) * group_;
  const std::int64_t tokens = position_ + step + steps;  // seen by the last of these steps
  const std::int64_t stride = round_up(tokens, kPanelColumns) + kRowGap;

  const auto dots = buffer<std::int32_t>(rows * stride);
  kernels_.multiply({.rows = rows,
                     .depth = head_depth_,
                     .left = queries_.get() + first_query * head_depth_ * kernels_.prepared_bytes,
                     .left_stride = head_depth_,
                     .panels = head.keys,
                     .panel_stride = head_depth_ * kPanelColumns,
                     .panel_count = round_up(tokens, kPanelColumns) / kPanelColumns,
                     .out = dots.get(),
                     .out_stride = stride});

  const auto weights = buffer<std::int16_t>(rows * stride);
  const auto scratch = buffer<float>(tokens);
  const auto factors = buffer<double>(rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t seen = position_ + step + row / group_ + 1;
    const Sums sums = {dots.get() + row * stride, head.key_scales,
                       query_scales_[static_cast<std::size_t>(first_query + row)]};
    std::int16_t* out = weights.get() + row * stride;
    factors[static_cast<std::size_t>(row)] =
        kernels_.attend(sums, head.value_scales, seen, scratch.get(), out);
    std::fill(out + seen, out + round_up(tokens, kPanelColumns), std::int16_t{0});
  }

  const std::int64_t columns = round_up(a_.head_width, kPanelColumns);
  const auto block_sums = buffer<std::int32_t>(rows * columns);
  const auto sums = std::make_unique<std::int64_t[]>(static_cast<std::size_t>(rows * columns));
  for (std::int64_t start = 0; start < tokens; start += kWeightBlock) {
    kernels_.multiply_wide({.rows = rows,
                            .depth = std::min(kWeightBlock, round_up(tokens, kPanelDepth) - start),
                            .left = weights.get() + start,
                            .left_stride = stride,
                            .panels = head.values + start * kPanelColumns,
                            .panel_stride = cache_.padded_capacity_ * kPanelColumns,
                            .panel_count = columns / kPanelColumns,
                            .out = block_sums.get(),
                            .out_stride = columns});
    for (std::int64_t i = 0; i < rows * columns; ++i) sums[i] += block_sums[i];
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t query_head = kv_head * group_ + row % group_;
    float* out = mixed_.get() +
                 ((lane * steps_ + step + row / group_) * a_.heads + query_head) * a_.head_width;
    for (std::int64_t i = 0; i < a_.head_width; ++i) {
      out[i] = static_cast<float>(static_cast<double>(sums[row * columns + i]) *
                                  factors[static_cast<std::size_t>(row)]);
    }
  }
}

}  // namespace lmgc::model
