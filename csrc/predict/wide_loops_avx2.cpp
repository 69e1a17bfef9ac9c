#include "predict/wide_loops_body.h"

namespace lmgc::predict {

// Compiled with -mavx2, but without -mfma: nothing may be contracted.
const WideLoops kAvx2WideLoops{
    "avx2",        [] { return static_cast<bool>(__builtin_cpu_supports("avx2")); },
    subtract_rows, subtract,
    add_squares,   sum_of_squares,
    codes,         remainder};

}  // namespace lmgc::predict
