#include "predict/wide_loops.h"

#include "predict/gemm.h"
#include "predict/wide_loops_body.h"

namespace lmgc::predict {

const WideLoops kBaselineWideLoops{"baseline",  [] { return true; }, subtract_rows, subtract,
                                   add_squares, sum_of_squares,      codes,         remainder};

const WideLoops& wide_loops() {
#ifdef LMGC_X86_64
  static const bool avx2 = kAvx2WideLoops.supported();
  if (avx2 && &gemm_kernels() != &kScalarGemm) return kAvx2WideLoops;
#endif
  return kBaselineWideLoops;
}

}  // namespace lmgc::predict
