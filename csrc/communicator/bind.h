#pragma once

#include <torch/csrc/utils/pybind.h>

namespace lmgc::communicator {

void bind(pybind11::module_& module);

}  // namespace lmgc::communicator
