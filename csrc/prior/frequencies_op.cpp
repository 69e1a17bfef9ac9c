#include "prior/frequencies_op.h"

#include <ATen/Functions.h>
#include <torch/library.h>

#include <array>

#include "parallel.h"
#include "prior/frequency.h"

namespace lmgc::prior {

at::Tensor checked_scores(const at::Tensor& scores) {
  TORCH_CHECK_VALUE(scores.dim() == 2 && scores.scalar_type() == at::kInt,
                    "lmgc::frequencies: scores are int32 [rows, alphabet], got ",
                    scores.scalar_type(), " of ", scores.dim(), " dimensions");
  TORCH_CHECK_VALUE(scores.size(1) >= 1 && scores.size(1) <= kMaxAlphabet,
                    "lmgc::frequencies: an alphabet of ", scores.size(1), ", expected 1 to ",
                    kMaxAlphabet);
  return scores.contiguous();
}

namespace {

at::Tensor frequencies_cpu(const at::Tensor& scores) {
  const at::Tensor rows = checked_scores(scores);
  const auto alphabet = static_cast<std::size_t>(rows.size(1));
  at::Tensor cumulative = at::empty({rows.size(0), rows.size(1) + 1}, rows.options());
  const auto* from = rows.const_data_ptr<std::int32_t>();
  auto* to = reinterpret_cast<std::uint32_t*>(cumulative.mutable_data_ptr<std::int32_t>());
  parallel_for(static_cast<std::size_t>(rows.size(0)), [&](std::size_t row) {
    std::array<std::uint32_t, kMaxAlphabet> weights;
    frequencies_from_scores(from + row * alphabet, alphabet, weights.data(),
                            to + row * (alphabet + 1));
  });
  return cumulative;
}

}  // namespace

TORCH_LIBRARY(lmgc, library) { library.def("frequencies(Tensor scores) -> Tensor"); }
TORCH_LIBRARY_IMPL(lmgc, CPU, library) { library.impl("frequencies", &frequencies_cpu); }

}  // namespace lmgc::prior
