#include "codec/bind.h"
#include "hook/bind.h"

PYBIND11_MODULE(_C, module) {
  lmgc::codec::bind(module);
  lmgc::hook::bind(module);
}
