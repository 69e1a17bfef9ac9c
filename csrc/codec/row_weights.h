#pragma once

#include <cstddef>

#include "coder/range_decoder.h"
#include "coder/range_encoder.h"
#include "predict/rows_above.h"

/// Weights of rows above as side symbols.
namespace lmgc::codec {

void encode_row_weights(const predict::RowWeights& all, coder::RangeEncoder& encoder);

/// Inverse, within bounds; any code gives some weights. Requires at most predict::kMaxRowsAbove.
[[nodiscard]] predict::RowWeights decode_row_weights(coder::RangeDecoder& decoder, std::size_t rows,
                                                     std::size_t above);

}  // namespace lmgc::codec
