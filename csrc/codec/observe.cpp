#include "codec/observe.h"

#include <vector>

#include "codec/codec.h"
#include "predict/history.h"
#include "serialize/float_words.h"

namespace lmgc::codec {
using serialize::DType;

void observe(const at::Tensor& average, std::span<const Parameter> parameters) {
  const DType dtype = payload_dtype(average.scalar_type());
  TORCH_CHECK_TYPE(serialize::is_float(dtype) && average.layout() == at::kStrided,
                   "lmgc observe: an average is a dense float tensor, got ", average.scalar_type(),
                   " with layout ", average.layout());
  check_parameters(average, parameters);
  const at::Tensor host = average.detach().resolve_neg().to(at::kCPU).contiguous();
  const auto* values = static_cast<const std::byte*>(host.const_data_ptr());
  for (const Parameter& parameter : parameters) {
    const auto count = static_cast<std::size_t>(parameter.values());
    if (parameter.history) {
      if (dtype == DType::kFloat32) {
        parameter.history->observe({reinterpret_cast<const float*>(values), count});
      } else {
        // What float32 cannot hold becomes a NaN, which history takes for 0.
        std::vector<float> lifted(count);
        serialize::lift_all(dtype, values, count, lifted.data());
        parameter.history->observe(lifted);
      }
    }
    values += count * serialize::traits(dtype).bytes;
  }
}

}  // namespace lmgc::codec
