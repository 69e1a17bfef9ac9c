#include "codec/bind.h"

PYBIND11_MODULE(_C, module) { lmgc::codec::bind(module); }
