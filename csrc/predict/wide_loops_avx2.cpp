#include "predict/wide_loops_body.h"

namespace lmgc::predict {

// Compiled with -mavx2, but without -mfma: nothing may be contracted.
constinit const WideLoops kAvx2WideLoops =
    wide_loops_of("avx2", [] { return __builtin_cpu_supports("avx2") != 0; });

}  // namespace lmgc::predict
