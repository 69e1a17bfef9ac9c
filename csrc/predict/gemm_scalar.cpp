#include "predict/gemm.h"

namespace lmgc::predict {
namespace {

void multiply(const GemmShape& shape, const std::int16_t* a, const std::int16_t* b, std::int32_t* c,
              bool accumulate) {
  for (std::size_t i = 0; i < shape.m; ++i) {
    for (std::size_t j = 0; j < shape.n; ++j) {
      std::uint32_t sum =
          accumulate ? static_cast<std::uint32_t>(c[i * shape.c_stride + j]) : std::uint32_t{0};
      for (std::size_t p = 0; p < shape.pairs; ++p) {
        for (std::size_t half = 0; half < 2; ++half) {
          sum += static_cast<std::uint32_t>(a[i * shape.a_stride + 2 * p + half] *
                                            b[p * shape.b_stride + 2 * j + half]);
        }
      }
      c[i * shape.c_stride + j] = static_cast<std::int32_t>(sum);
    }
  }
}

}  // namespace

const GemmKernels kScalarGemm{"scalar", [] { return true; }, multiply};

}  // namespace lmgc::predict
