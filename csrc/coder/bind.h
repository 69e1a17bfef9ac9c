#pragma once

#include <torch/csrc/utils/pybind.h>

namespace lmgc::coder {

void bind(pybind11::module_& module);

}  // namespace lmgc::coder
