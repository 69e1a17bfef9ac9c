#include "stages/chain.h"

#include <ATen/Functions.h>

#include <utility>

namespace lmgc::stages {

Chain::Chain(std::shared_ptr<const Sparsifier> sparsifier,
             std::shared_ptr<const Quantizer> quantizer)
    : sparsifier_(std::move(sparsifier)), quantizer_(std::move(quantizer)) {}

codec::Staged Chain::apply(const Input& input) const {
  codec::Staged staged;
  Input sent = input;
  if (sparsifier_) {
    staged.kept = sparsifier_->keep(input);
    if (sparsifier_->draws()) staged.seed = input.shared_key;
    sent.values = input.values.index_select(0, staged.kept);
    sent.shapes = {{sent.values.numel()}};
  }
  if (quantizer_ && sent.values.numel() > 0) {
    quantizer_->quantize(sent, staged);
  } else {
    staged.floats = sent.values;
  }
  staged.values = codec::values_of(staged, input.values.numel());
  return staged;
}

std::optional<std::size_t> first_not_finite(const at::Tensor& values,
                                            std::span<const Shape> shapes) {
  if (values.isfinite().all().item<bool>()) return std::nullopt;
  std::int64_t start = 0;
  std::size_t index = 0;
  for (; index + 1 < shapes.size(); ++index) {
    const std::int64_t count = c10::multiply_integers(shapes[index]);
    if (!values.narrow(0, start, count).isfinite().all().item<bool>()) break;
    start += count;
  }
  return index;
}

}  // namespace lmgc::stages
