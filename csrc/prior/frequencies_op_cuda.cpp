#include <ATen/Functions.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/library.h>

#include "prior/frequencies_op.h"

namespace lmgc::prior {
namespace {

at::Tensor frequencies_cuda(const at::Tensor& scores) {
  const c10::cuda::CUDAGuard guard(scores.device());
  const at::Tensor rows = checked_scores(scores);
  at::Tensor cumulative = at::empty({rows.size(0), rows.size(1) + 1}, rows.options());
  launch_frequencies(rows.const_data_ptr<std::int32_t>(), static_cast<std::size_t>(rows.size(0)),
                     static_cast<std::size_t>(rows.size(1)),
                     reinterpret_cast<std::uint32_t*>(cumulative.mutable_data_ptr<std::int32_t>()),
                     c10::cuda::getCurrentCUDAStream().stream());
  C10_CUDA_KERNEL_LAUNCH_CHECK();
  return cumulative;
}

}  // namespace

TORCH_LIBRARY_IMPL(lmgc, CUDA, library) { library.impl("frequencies", &frequencies_cuda); }

}  // namespace lmgc::prior
