#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/utils/pybind.h>

#include <cstdint>
#include <span>
#include <string>

#include "model/language_model.h"

namespace lmgc::model {

/// What models on every device take from Python, and give it; c10::ValueError for what is no such.
[[nodiscard]] Architecture architecture_of(const pybind11::dict& dict);
[[nodiscard]] pybind11::dict architecture_dict(const Architecture& architecture);
[[nodiscard]] Fingerprint fingerprint_of(const pybind11::bytes& bytes);
[[nodiscard]] std::string fingerprint_text(const Fingerprint& fingerprint);
/// Of a contiguous int32 tensor on the CPU.
[[nodiscard]] std::span<const std::int32_t> ints(const at::Tensor& tensor);

void bind(pybind11::module_& m);

}  // namespace lmgc::model
