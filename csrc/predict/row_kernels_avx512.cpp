#include "predict/row_loops.h"

/// Compiled for AVX-512.
namespace lmgc::predict {
namespace {

bool supported() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0;
}

}  // namespace

const RowKernels kAvx512Rows = {.name = "avx512",
                                .supported = supported,
                                .codes = codes_of_row,
                                .remainder_codes = remainder_codes_of_row,
                                .predictions = predictions_of_row,
                                .add_predictions = add_predictions_of_row,
                                .dot = dot_of_rows,
                                .code_values = code_values_of_row,
                                .places = places_of_row,
                                .words = words_of_row,
                                .sum_of_squares = sum_of_squares_of_row,
                                .sizes = sizes_of_row,
                                .add_excess = add_excess_of_row};

}  // namespace lmgc::predict
