#pragma once

#include <cstdint>
#include <span>

#include "coder/range_decoder.h"
#include "coder/range_encoder.h"

/// Side symbols: scales and other small integers sent beside the values, through an adaptive prior.
namespace lmgc::codec {

/// Codes a sequence of numbers around their middle, which is sent first, or predict::kZeroLine.
void encode_side_symbols(std::span<const std::int16_t> numbers, coder::RangeEncoder& encoder);

/// Inverse; any code gives some numbers.
void decode_side_symbols(coder::RangeDecoder& decoder, std::span<std::int16_t> numbers);

}  // namespace lmgc::codec
