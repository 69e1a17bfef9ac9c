#include "stages/threshold.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

namespace lmgc::stages {
namespace {

class Threshold final : public Sparsifier {
 public:
  explicit Threshold(double size) : size_(size) {}

  at::Tensor keep(const Input& input) const override {
    return (input.values.abs() >= size_).nonzero().flatten();
  }

 private:
  double size_;
};

}  // namespace

std::shared_ptr<const Sparsifier> make_threshold(double size) {
  TORCH_CHECK_VALUE(size > 0, "a threshold of ", size, "; use one above 0");
  return std::make_shared<Threshold>(size);
}

}  // namespace lmgc::stages
