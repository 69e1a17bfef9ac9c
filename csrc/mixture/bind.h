#pragma once

#include <torch/csrc/utils/pybind.h>

namespace lmgc::mixture {

void bind(pybind11::module_& module);

}  // namespace lmgc::mixture
