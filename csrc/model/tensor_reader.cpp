#include "model/tensor_reader.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace lmgc::model {

at::Tensor TensorReader::tensor(const std::string& name, at::ScalarType dtype,
                                at::IntArrayRef shape) const {
  const auto found = tensors_.find(name);
  TORCH_CHECK_VALUE(found != tensors_.end(), "lmgc::model: tensor '", name, "' is missing");
  const at::Tensor& tensor = found->second;
  TORCH_CHECK_VALUE(tensor.scalar_type() == dtype && tensor.sizes() == shape,
                    "lmgc::model: tensor '", name, "' is ", tensor.scalar_type(), tensor.sizes(),
                    ", expected ", dtype, shape);
  at::Tensor plain = tensor.detach().to(at::kCPU).contiguous();
  TORCH_CHECK_VALUE(dtype != at::kFloat || at::isfinite(plain).all().item<bool>(),
                    "lmgc::model: tensor '", name, "' holds NaN or infinity");
  return plain;
}

std::vector<std::int32_t> TensorReader::tokens(const std::string& name, std::int64_t count,
                                               std::int64_t vocabulary) const {
  const at::Tensor t = tensor(name, at::kInt, {count});
  std::vector<std::int32_t> ids(t.const_data_ptr<std::int32_t>(),
                                t.const_data_ptr<std::int32_t>() + count);
  for (const std::int32_t id : ids) {
    TORCH_CHECK_VALUE(id >= 0 && id < vocabulary, "lmgc::model: '", name, "' holds token ", id,
                      ", the vocabulary has ", vocabulary);
  }
  return ids;
}

std::vector<std::int32_t> TensorReader::byte_tokens(std::int64_t vocabulary) const {
  std::vector<std::int32_t> ids = tokens("byte_tokens", 256, vocabulary);
  std::vector<std::int32_t> sorted = ids;
  std::ranges::sort(sorted);
  TORCH_CHECK_VALUE(std::ranges::adjacent_find(sorted) == sorted.end(),
                    "lmgc::model: 'byte_tokens' gives two bytes the same token");
  return ids;
}

}  // namespace lmgc::model
