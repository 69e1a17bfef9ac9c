#include "predict/row_loops.h"

/// Compiled for AVX-512.
namespace lmgc::predict {
namespace {

bool supported() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0;
}

}  // namespace

constinit const RowKernels kAvx512Rows = row_kernels_of("avx512", supported);

}  // namespace lmgc::predict
