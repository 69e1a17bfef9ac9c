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

void Forward::mix(std::int64_t layer, std::int64_t kv_head, std::int64_t row, std::int64_t steps) {
  const auto head = cache_.head(layer, first_lane_ + row / steps_, kv_head);
  const std::int64_t queries = steps * group_;
  const std::int64_t first_query = query_index(row, kv_head);
  const std::int64_t position = position_ + row % steps_;
  const std::int64_t tokens = position + steps;  // seen by the last of these steps
  const std::int64_t stride = round_up(tokens, kPanelColumns) + kRowGap;

  const auto dots = buffer<std::int32_t>(queries * stride);
  kernels_.multiply({.rows = queries,
                     .depth = head_depth_,
                     .left = queries_.get() + first_query * head_depth_ * kernels_.prepared_bytes,
                     .left_stride = head_depth_,
                     .panels = head.keys,
                     .panel_stride = head_depth_ * kPanelColumns,
                     .panel_count = round_up(tokens, kPanelColumns) / kPanelColumns,
                     .column_sums = head.key_sums,
                     .out = dots.get(),
                     .out_stride = stride});

  const auto weights = buffer<std::int16_t>(queries * stride);
  const auto scratch = buffer<float>(tokens);
  const auto factors = buffer<double>(queries);
  for (std::int64_t i = 0; i < queries; ++i) {
    const std::int64_t seen = position + i / group_ + 1;
    const Sums sums = {dots.get() + i * stride, head.key_scales,
                       query_scales_[static_cast<std::size_t>(first_query + i)]};
    std::int16_t* out = weights.get() + i * stride;
    factors[static_cast<std::size_t>(i)] =
        kernels_.attend(sums, head.value_scales, seen, scratch.get(), out);
    std::fill(out + seen, out + round_up(tokens, kPanelColumns), std::int16_t{0});
  }

  const std::int64_t columns = round_up(a_.head_width, kPanelColumns);
  const auto block_sums = buffer<std::int32_t>(queries * columns);
  const auto sums = std::make_unique<std::int64_t[]>(static_cast<std::size_t>(queries * columns));
  for (std::int64_t start = 0; start < tokens; start += kWeightBlock) {
    kernels_.multiply_wide({.rows = queries,
                            .depth = std::min(kWeightBlock, round_up(tokens, kPanelDepth) - start),
                            .left = weights.get() + start,
                            .left_stride = stride,
                            .panels = head.values + start * kPanelColumns,
                            .panel_stride = cache_.padded_capacity_ * kPanelColumns,
                            .panel_count = columns / kPanelColumns,
                            .column_sums = nullptr,
                            .out = block_sums.get(),
                            .out_stride = columns});
    for (std::int64_t i = 0; i < queries * columns; ++i)
      sums[static_cast<std::size_t>(i)] += block_sums[static_cast<std::size_t>(i)];
  }
  for (std::int64_t i = 0; i < queries; ++i) {
    const std::int64_t query_head = kv_head * group_ + i % group_;
    float* out = mixed_.get() + ((row + i / group_) * a_.heads + query_head) * a_.head_width;
    const std::int64_t* from = sums.get() + i * columns;
    const double factor = factors[static_cast<std::size_t>(i)];
    for (std::int64_t j = 0; j < a_.head_width; ++j) {
      out[j] = static_cast<float>(static_cast<double>(from[j]) * factor);
    }
  }
}

}  // namespace lmgc::model
