#include "predict/gemm.h"

#include <array>
#include <string>
#include <vector>

#include "implementations.h"

namespace lmgc::predict {
namespace {

struct Noise {
  std::uint32_t state = 12345;

  std::int16_t operand() {
    state = state * 1664525 + 1013904223;
    const auto value = static_cast<std::int32_t>(state >> 16) - 32768;
    if (state >> 8 & 128) return value < 0 ? -32767 : 32767;
    return static_cast<std::int16_t>(value < -32767 ? 0 : value);
  }

  std::vector<std::int16_t> operands(std::size_t count) {
    std::vector<std::int16_t> all(count);
    for (std::int16_t& one : all) one = operand();
    return all;
  }
};

/// Equal in all of c, gaps between its rows included.
bool agrees_on(const GemmKernels& candidate, std::size_t m, std::size_t n, std::size_t pairs) {
  const GemmShape shape{.m = m,
                        .n = n,
                        .pairs = pairs,
                        .a_stride = 2 * pairs + 3,
                        .b_stride = 2 * n + 5,
                        .c_stride = n + 7};
  Noise noise;
  const std::vector<std::int16_t> a = noise.operands(m * shape.a_stride);
  const std::vector<std::int16_t> b = noise.operands(pairs * shape.b_stride);
  std::vector<std::int32_t> expected(m * shape.c_stride);
  for (std::int32_t& one : expected) one = noise.operand() * 65537;
  std::vector<std::int32_t> c = expected;
  for (const bool accumulate : {true, false}) {
    kScalarGemm.multiply(shape, a.data(), b.data(), expected.data(), accumulate);
    candidate.multiply(shape, a.data(), b.data(), c.data(), accumulate);
    if (c != expected) return false;
  }
  return true;
}

/// Each height and width of a tile, then each side of a block.
bool agrees_with_reference(const GemmKernels& candidate) {
  for (std::size_t m = 0; m <= 13; ++m) {
    for (const std::size_t n : {0U, 1U, 7U, 8U, 16U, 17U, 32U, 40U}) {
      if (!agrees_on(candidate, m, n, m % 4)) return false;
    }
  }
  using Sizes = std::array<std::size_t, 3>;
  for (const auto& [m, n, pairs] :
       {Sizes{3, 64, 257}, Sizes{53, 129, 33}, Sizes{195, 35, 9}, Sizes{49, 8, 513}}) {
    if (!agrees_on(candidate, m, n, pairs)) return false;
  }
  return true;
}

Implementations<GemmKernels>& implementations() {
  static Implementations<GemmKernels> all(
      {
#ifdef LMGC_X86_64
          &kAvx512VnniGemm,
          &kAvx2Gemm,
#endif
      },
      kScalarGemm, agrees_with_reference);
  return all;
}

}  // namespace

std::span<const GemmKernels* const> usable_gemm_kernels() { return implementations().usable(); }

const GemmKernels& gemm_kernels() { return implementations().current(); }

const GemmKernels& gemm_kernels(std::string_view name) { return implementations().named(name); }

void use_gemm_kernels(std::string_view name) { implementations().use(gemm_kernels(name)); }

}  // namespace lmgc::predict
