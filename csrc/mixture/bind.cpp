#include "mixture/bind.h"

#include <vector>

#include "logistic.h"

namespace lmgc::mixture {

using logistic::kMostStretch;
using logistic::Probability;
using logistic::squash;
using logistic::Stretch;
using logistic::stretch;

void bind(pybind11::module_& module) {
  module.def("logistic_tables", [] {
    std::vector<int> squashes, stretches{0};
    for (Stretch x = -kMostStretch; x <= kMostStretch; ++x) squashes.push_back(squash(x));
    for (int p = 1; p < 1 << 16; ++p) stretches.push_back(stretch(static_cast<Probability>(p)));
    return std::pair(squashes, stretches);
  });
}

}  // namespace lmgc::mixture
