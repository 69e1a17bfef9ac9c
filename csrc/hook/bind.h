#pragma once

#include <torch/csrc/utils/pybind.h>

namespace lmgc::hook {

void bind(pybind11::module_& module);

}  // namespace lmgc::hook
