#include "codec/bind.h"
#include "coder/bind.h"
#include "communicator/bind.h"
#include "hook/bind.h"
#include "model/bind.h"
#include "predict/bind_history.h"
#include "predict/bind_kernels.h"
#include "stages/bind.h"

PYBIND11_MODULE(_C, module) {
  lmgc::model::bind(module);
  lmgc::coder::bind(module);
  lmgc::predict::bind_kernels(module);
  lmgc::predict::bind_history(module);
  lmgc::codec::bind(module);
  lmgc::stages::bind(module);
  lmgc::communicator::bind(module);
  lmgc::hook::bind(module);
}
