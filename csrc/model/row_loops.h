#pragma once

#include <cstdint>

#include "model/formulas.h"
#include "model/kernels.h"

/// Loops over one row, written for compilers to vectorize. `static` for the reason in formulas.h.
namespace lmgc::model {

static inline std::int32_t largest_magnitude_bits(const float* x, std::int64_t count) {
  std::int32_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t bits = magnitude_bits(x[i]);
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

static inline void quantize_row(const float* x, std::int64_t count, Codes out) {
  const Quantizer q = quantizer(largest_magnitude_bits(x, count), kCodeLimit);
  for (std::int64_t i = 0; i < count; ++i) {
    out.codes[i] = static_cast<std::int8_t>(round_to_int(x[i] * q.inverse));
  }
  *out.scale = q.scale;
}

/// RMS norm of `x` times `gain`; `out` may be `x`.
static inline void normalize_values(const float* x, const float* gain, std::int64_t count,
                                    double epsilon, float* out) {
  const Quantizer q = quantizer(largest_magnitude_bits(x, count), kWeightLimit);
  std::int64_t squares = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t code = round_to_int(x[i] * q.inverse);
    squares += code * code;
  }
  const float factor = norm_factor(squares, count, q.scale, epsilon);
  for (std::int64_t i = 0; i < count; ++i) out[i] = x[i] * factor * gain[i];
}

static inline void normalize_row(const float* x, const float* gain, std::int64_t count,
                                 double epsilon, float* scratch, Codes out) {
  normalize_values(x, gain, count, epsilon, scratch);
  quantize_row(scratch, count, out);
}

static inline void normalize_head_row(float* head, const float* gain, std::int64_t count,
                                      double epsilon) {
  normalize_values(head, gain, count, epsilon, head);
}

static inline void layer_norm_row(const float* x, const float* gain, const float* bias,
                                  std::int64_t count, double epsilon, float* scratch, Codes out) {
  const Quantizer q = quantizer(largest_magnitude_bits(x, count), kWeightLimit);
  std::int64_t sum = 0;
  std::int64_t squares = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int32_t code = round_to_int(x[i] * q.inverse);
    sum += code;
    squares += code * code;
  }
  const LayerNormTerms terms = layer_norm_terms(sum, squares, count, q.scale, epsilon);
  for (std::int64_t i = 0; i < count; ++i) {
    scratch[i] = (x[i] - terms.mean) * terms.factor * gain[i] + bias[i];
  }
  quantize_row(scratch, count, out);
}

static inline void dequantize_row(Sums sums, std::int64_t count, float* values) {
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] = value_of(sums.sums[i], sums.scales[i], sums.scale);
  }
}

static inline void accumulate_row(Sums sums, std::int64_t count, float* values) {
  for (std::int64_t i = 0; i < count; ++i) {
    values[i] += value_of(sums.sums[i], sums.scales[i], sums.scale);
  }
}

static inline void add_row(const float* __restrict x, std::int64_t count,
                           float* __restrict values) {
  for (std::int64_t i = 0; i < count; ++i) values[i] += x[i];
}

static inline void rotate_row(float* head, const float* cosines, const float* sines,
                              std::int64_t half) {
  for (std::int64_t i = 0; i < half; ++i) {
    const float a = head[i];
    const float b = head[half + i];
    head[i] = a * cosines[i] - b * sines[i];
    head[half + i] = b * cosines[i] + a * sines[i];
  }
}

static inline void gate_row(float* __restrict gate, const float* __restrict up,
                            std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) gate[i] = silu(gate[i]) * up[i];
}

static inline void gelu_row(float* values, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) values[i] = gelu(values[i]);
}

static inline double attend_row(Sums dots, const float* __restrict value_scales, std::int64_t count,
                                float* __restrict scratch, std::int16_t* __restrict weights) {
  std::int32_t best = INT32_MIN;
  for (std::int64_t i = 0; i < count; ++i) {
    scratch[i] = value_of(dots.sums[i], dots.scales[i], dots.scale);
    const std::int32_t order = order_bits(bits_of(scratch[i]));
    best = order > best ? order : best;
  }
  const float top = float_of(order_bits(best));
  std::uint32_t denominator = 0;
  std::int32_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const float e = exp_of_negative(scratch[i] - top);
    denominator += denominator_term(e);
    scratch[i] = e * value_scales[i];
    const std::int32_t bits = magnitude_bits(scratch[i]);
    largest = bits > largest ? bits : largest;
  }
  const Quantizer q = quantizer(largest, kWeightLimit);
  for (std::int64_t i = 0; i < count; ++i) {
    weights[i] = static_cast<std::int16_t>(round_to_int(scratch[i] * q.inverse));
  }
  return attention_factor(q.scale, denominator);
}

static inline void score_row(Sums sums, std::int64_t count, std::int32_t* out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = score_of(sums.sums[i], sums.scales[i], sums.scale);
  }
}

}  // namespace lmgc::model
