#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace lmgc::model {

/// Columns of a panel: the unit in which matrices are packed and multiplied.
inline constexpr std::int64_t kPanelColumns = 16;
/// Inner indices that lie side by side in a panel.
inline constexpr std::int64_t kPanelDepth = 4;

[[nodiscard]] constexpr std::int64_t round_up(std::int64_t x, std::int64_t unit) {
  return (x + unit - 1) / unit * unit;
}

/// Index in a packed matrix: panels of [depth / 4][16 columns][4], one after the other.
[[nodiscard]] constexpr std::int64_t packed_index(std::int64_t column, std::int64_t inner,
                                                  std::int64_t panel_stride) {
  return column / kPanelColumns * panel_stride +
         (inner / kPanelDepth * kPanelColumns + column % kPanelColumns) * kPanelDepth +
         inner % kPanelDepth;
}

/// out[row, column] = sum over inner of left[row, inner] * right[column, inner], in int32.
struct Product {
  std::int64_t rows;
  std::int64_t depth;        ///< multiple of kPanelDepth, at most kDepthLimit
  const void* left;          ///< prepared codes (`multiply`) or int16 (`multiply_wide`)
  std::int64_t left_stride;  ///< elements
  const std::int8_t* panels;
  std::int64_t panel_stride;  ///< bytes
  std::int64_t panel_count;
  const std::int32_t* column_sums;  ///< of right, over inner; `multiply_wide` needs none
  std::int32_t* out;
  std::int64_t out_stride;  ///< at least 16 * panel_count
};

/// A vector of int8 codes, its value being code * scale.
struct Codes {
  std::int8_t* codes;
  float* scale;
};

/// int32 sums of products of codes; their values are sum * scales[i] * scale.
struct Sums {
  const std::int32_t* sums;
  const float* scales;
  float scale;
};

/// One implementation of the model's loops. All give the same bits; "scalar" is the reference.
struct Kernels {
  std::string_view name;
  bool (*supported)();

  /// Bytes of a prepared code.
  std::int64_t prepared_bytes;
  /// Writes `count` codes as `multiply` reads them.
  void (*prepare)(const std::int8_t* codes, std::int64_t count, void* prepared);
  void (*multiply)(const Product& product);
  /// `left` int16 in [0, kWeightLimit]; depth at most kWeightBlock.
  void (*multiply_wide)(const Product& product);

  /// RMS norm of `x` times `gain`, as codes. `scratch` [count].
  void (*normalize)(const float* x, const float* gain, std::int64_t count, double epsilon,
                    float* scratch, Codes out);
  /// LayerNorm of `x` with `gain` and `bias`, as codes. `scratch` [count].
  void (*layer_norm)(const float* x, const float* gain, const float* bias, std::int64_t count,
                     double epsilon, float* scratch, Codes out);
  /// RMS norm of a head times `gain`, in place.
  void (*normalize_head)(float* head, const float* gain, std::int64_t count, double epsilon);
  void (*quantize)(const float* x, std::int64_t count, Codes out);
  /// values = the values of `sums`.
  void (*dequantize)(Sums sums, std::int64_t count, float* values);
  /// values += the values of `sums`.
  void (*accumulate)(Sums sums, std::int64_t count, float* values);
  /// values += x.
  void (*add)(const float* x, std::int64_t count, float* values);
  /// Rotates a head in place: pairs (i, i + half).
  void (*rotate)(float* head, const float* cosines, const float* sines, std::int64_t half);
  /// out = silu(gate) * up, in place of `gate`.
  void (*gate)(float* gate, const float* up, std::int64_t count);
  /// In place.
  void (*gelu)(float* values, std::int64_t count);
  /// Attention weights of one query from its dot products with `count` keys, times the values'
  /// scales. `weights` gets integers relative to the largest; returns the factor that makes a sum
  /// of weight * value code the attention's output. `scratch` [count].
  double (*attend)(Sums dots, const float* value_scales, std::int64_t count, float* scratch,
                   std::int16_t* weights);
  /// out = round(value * 2^16), within +-2^30.
  void (*score)(Sums sums, std::int64_t count, std::int32_t* out);
};

extern const Kernels kScalarKernels;
#ifdef LMGC_X86_64
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512VnniKernels;
extern const Kernels kAmxKernels;
#endif

/// Those that this machine runs and that passed the self-test, fastest first; never empty.
[[nodiscard]] std::span<const Kernels* const> usable_kernels();

/// The one in use: the fastest, unless `use_kernels` chose another.
[[nodiscard]] const Kernels& kernels();

/// Throws c10::ValueError if `name` is not usable here.
void use_kernels(std::string_view name);

/// Whether `candidate` gives the reference's bits on random and extreme inputs.
[[nodiscard]] bool agrees_with_reference(const Kernels& candidate);

}  // namespace lmgc::model
