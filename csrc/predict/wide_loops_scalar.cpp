#include "predict/wide_loops_body.h"

namespace lmgc::predict {

constinit const WideLoops kScalarWideLoops = wide_loops_of("scalar", [] { return true; });

}  // namespace lmgc::predict
