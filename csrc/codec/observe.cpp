#include "codec/observe.h"

#include <bit>
#include <cstring>
#include <vector>

#include "codec/codec.h"
#include "predict/history.h"
#include "serialize/float_words.h"

namespace lmgc::codec {
namespace {

using serialize::DType;

/// Elements of a float dtype as float32; what float32 cannot hold becomes a NaN, which history
/// takes for 0.
std::vector<float> lifted(DType dtype, const std::byte* values, std::size_t count) {
  std::vector<float> floats(count);
  serialize::with_float(dtype, [&]<DType type>() {
    using Words = serialize::FloatWords<type>;
    for (std::size_t i = 0; i < count; ++i) {
      typename Words::Word word;
      std::memcpy(&word, values + i * sizeof word, sizeof word);
      floats[i] = std::bit_cast<float>(Words::lift(word));
    }
  });
  return floats;
}

}  // namespace

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
        parameter.history->observe(lifted(dtype, values, count));
      }
    }
    values += count * serialize::traits(dtype).bytes;
  }
}

}  // namespace lmgc::codec
