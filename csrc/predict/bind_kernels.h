#pragma once

#include <torch/csrc/utils/pybind.h>

namespace lmgc::predict {

void bind_kernels(pybind11::module_& module);

}  // namespace lmgc::predict
