#include "predict/row_loops.h"

/// The reference: what any machine runs.
namespace lmgc::predict {
namespace {

bool supported() { return true; }

}  // namespace

constinit const RowKernels kScalarRows = row_kernels_of("scalar", supported);

}  // namespace lmgc::predict
