#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// Products of int16 matrices, exact in int32: what prediction and its learning are made of.
namespace lmgc::predict {

/// a [m][2 * pairs] int16, row stride in elements; b in pairs: [pairs][n][2] int16, stride in
/// elements between pairs; c [m][n] int32, row stride in elements.
struct GemmShape {
  std::size_t m, n, pairs;
  std::size_t a_stride, b_stride, c_stride;
};

/// One implementation of the loops. All give the same bits; "scalar" is the reference.
struct GemmKernels {
  std::string_view name;
  bool (*supported)();

  /// c = a b (accumulate: c += a b), where b's row 2p is [p][.][0] and its row 2p + 1 [p][.][1].
  /// Sums wrap modulo 2^32; no operand may be -2^15.
  void (*multiply)(const GemmShape& shape, const std::int16_t* a, const std::int16_t* b,
                   std::int32_t* c, bool accumulate);
};

extern const GemmKernels kScalarGemm;
#ifdef LMGC_X86_64
extern const GemmKernels kAvx2Gemm;
extern const GemmKernels kAvx512VnniGemm;
#endif

/// Those that this machine runs and that passed the self-test, fastest first; never empty.
[[nodiscard]] std::span<const GemmKernels* const> usable_gemm_kernels();

/// The one in use: the fastest, unless `use_gemm_kernels` chose another.
[[nodiscard]] const GemmKernels& gemm_kernels();

/// Throws std::invalid_argument if `name` is not usable here.
[[nodiscard]] const GemmKernels& gemm_kernels(std::string_view name);
void use_gemm_kernels(std::string_view name);

}  // namespace lmgc::predict
