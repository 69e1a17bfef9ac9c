#include "stages/random_k.h"

#include "codec/draw.h"

namespace lmgc::stages {
namespace {

class RandomK final : public Sparsifier {
 public:
  explicit RandomK(Amount amount) : amount_(amount) {}

  at::Tensor keep(const Input& input) const override {
    const std::int64_t count = input.values.numel();
    return codec::drawn(count, amount_.of(count), input.shared_key, input.values.options());
  }
  bool draws() const override { return true; }

 private:
  Amount amount_;
};

}  // namespace

std::shared_ptr<const Sparsifier> make_random_k(Amount amount) {
  check_amount("random-k", amount);
  return std::make_shared<RandomK>(amount);
}

}  // namespace lmgc::stages
