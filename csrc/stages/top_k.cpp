#include "stages/top_k.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <cmath>

namespace lmgc::stages {
namespace {

class TopK final : public Sparsifier {
 public:
  TopK(Amount amount, bool by_parameter) : amount_(amount), by_parameter_(by_parameter) {}

  at::Tensor keep(const Input& input) const override {
    const at::Tensor sizes = input.values.abs();
    if (!by_parameter_) return largest(sizes);
    std::vector<at::Tensor> kept;
    std::int64_t start = 0;
    for (const Shape& shape : input.shapes) {
      const std::int64_t count = c10::multiply_integers(shape);
      kept.push_back(largest(sizes.narrow(0, start, count)) + start);
      start += count;
    }
    return at::cat(kept);
  }

 private:
  /// Of equal sizes the first, on any device: sizes above, places below, no two are equal.
  [[nodiscard]] at::Tensor largest(const at::Tensor& sizes) const {
    const std::int64_t count = sizes.numel();
    const at::Tensor order = sizes.view(at::kInt).to(at::kLong).mul_(std::int64_t{1} << 32);
    order.sub_(at::arange(count, order.options()));
    const auto found = order.topk(amount_.of(count), 0, true, /*sorted=*/false);
    return std::get<0>(std::get<1>(found).sort());
  }

  Amount amount_;
  bool by_parameter_;
};

}  // namespace

std::int64_t Amount::of(std::int64_t values) const {
  if (count > 0) return std::min(count, values);
  return std::min(static_cast<std::int64_t>(std::ceil(share * static_cast<double>(values))),
                  values);
}

void check_amount(const char* stage, Amount amount) {
  TORCH_CHECK_VALUE((amount.count > 0) != (amount.share != 0), stage,
                    " takes a count of at least 1 or a share, one of both");
  TORCH_CHECK_VALUE(amount.count > 0 || (amount.share > 0 && amount.share <= 1), stage,
                    " with a share of ", amount.share, "; use one above 0 and at most 1");
}

std::shared_ptr<const Sparsifier> make_top_k(Amount amount, bool by_parameter) {
  check_amount("top-k", amount);
  return std::make_shared<TopK>(amount, by_parameter);
}

}  // namespace lmgc::stages
