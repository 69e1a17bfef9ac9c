#include "predict/row_loops.h"

/// The reference: what any machine runs.
namespace lmgc::predict {
namespace {

bool supported() { return true; }

}  // namespace

const RowKernels kScalarRows = {.name = "scalar",
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
