#include "stages/cast.h"

#include <ATen/Functions.h>

namespace lmgc::stages {
namespace {

class Cast final : public Quantizer {
 public:
  explicit Cast(at::ScalarType dtype) : dtype_(dtype) {}

  void quantize(const Input& input, codec::Staged& staged) const override {
    staged.floats = input.values.to(dtype_);
    TORCH_CHECK_VALUE(staged.floats.isfinite().all().item<bool>(), "values beyond the range of ",
                      dtype_, "; use bfloat16, or scale the loss down");
  }

 private:
  at::ScalarType dtype_;
};

}  // namespace

std::shared_ptr<const Quantizer> make_cast(at::ScalarType dtype) {
  TORCH_CHECK_VALUE(dtype == at::kHalf || dtype == at::kBFloat16, "a cast to ", dtype,
                    "; use float16 or bfloat16");
  return std::make_shared<Cast>(dtype);
}

}  // namespace lmgc::stages
