#include <cstring>

#include "model/row_loops.h"

/// The reference: plain loops, for any processor.
namespace lmgc::model {
namespace {

bool supported() { return true; }

void prepare(const std::int8_t* codes, std::int64_t count, void* prepared) {
  std::memcpy(prepared, codes, static_cast<std::size_t>(count));
}

template <typename Left>
void multiply(const Product& p) {
  for (std::int64_t row = 0; row < p.rows; ++row) {
    const Left* left = static_cast<const Left*>(p.left) + row * p.left_stride;
    for (std::int64_t panel = 0; panel < p.panel_count; ++panel) {
      const std::int8_t* right = p.panels + panel * p.panel_stride;
      std::int32_t sums[kPanelColumns] = {};
      for (std::int64_t inner = 0; inner < p.depth; inner += kPanelDepth) {
        for (std::int64_t column = 0; column < kPanelColumns; ++column) {
          for (std::int64_t i = 0; i < kPanelDepth; ++i) {
            sums[column] += left[inner + i] * right[column * kPanelDepth + i];
          }
        }
        right += kPanelColumns * kPanelDepth;
      }
      std::memcpy(p.out + row * p.out_stride + panel * kPanelColumns, sums, sizeof(sums));
    }
  }
}

}  // namespace

const Kernels kScalarKernels = {
    .name = "scalar",
    .supported = supported,
    .prepared_bytes = 1,
    .prepare = prepare,
    .multiply = multiply<std::int8_t>,
    .multiply_wide = multiply<std::int16_t>,
    .normalize = normalize_row,
    .layer_norm = layer_norm_row,
    .normalize_head = normalize_head_row,
    .quantize = quantize_row,
    .dequantize = dequantize_row,
    .accumulate = accumulate_row,
    .add = add_row,
    .rotate = rotate_row,
    .gate = gate_row,
    .gelu = gelu_row,
    .attend = attend_row,
    .score = score_row,
};

}  // namespace lmgc::model
