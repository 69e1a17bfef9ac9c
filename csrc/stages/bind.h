#pragma once

#include <torch/csrc/utils/pybind.h>

namespace lmgc::stages {

void bind(pybind11::module_& module);

}  // namespace lmgc::stages
