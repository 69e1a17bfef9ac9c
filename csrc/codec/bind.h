#pragma once

#include <torch/csrc/utils/pybind.h>

namespace lmgc::codec {

void bind(pybind11::module_& module);

}  // namespace lmgc::codec
