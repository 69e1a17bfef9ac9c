#include "predict/row_loops.h"

/// Compiled for AVX2.
namespace lmgc::predict {
namespace {

bool supported() { return __builtin_cpu_supports("avx2") != 0; }

}  // namespace

constinit const RowKernels kAvx2Rows = row_kernels_of("avx2", supported);

}  // namespace lmgc::predict
