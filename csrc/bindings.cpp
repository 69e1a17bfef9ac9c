#include "codec/bind.h"
#include "coder/bind.h"
#include "communicator/bind.h"
#include "fork.h"
#include "hook/bind.h"
#include "mixture/bind.h"
#include "model/bind.h"
#ifdef LMGC_CUDA
#include "model/cuda/bind.h"
#endif
#include "predict/bind_history.h"
#include "predict/bind_kernels.h"
#include "stages/bind.h"

PYBIND11_MODULE(_C, module) {
  lmgc::make_forks_safe();
  lmgc::model::bind(module);
#ifdef LMGC_CUDA
  lmgc::model::cuda::bind(module);
#endif
  lmgc::coder::bind(module);
  lmgc::mixture::bind(module);
  lmgc::predict::bind_kernels(module);
  lmgc::predict::bind_history(module);
  lmgc::codec::bind(module);
  lmgc::stages::bind(module);
  lmgc::communicator::bind(module);
  lmgc::hook::bind(module);
}
