#pragma once

#include <torch/csrc/utils/pybind.h>

namespace lmgc::model::cuda {

void bind(pybind11::module_& m);

}  // namespace lmgc::model::cuda
