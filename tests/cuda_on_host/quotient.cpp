#include "quotient.h"

#include <bit>
#include <cfenv>
#include <cmath>

#include "model/formulas.h"

namespace lmgc::cuda_on_host {
namespace {

[[gnu::noinline]] float multiply_add(float a, float b, float c) { return std::fma(a, b, c); }

[[gnu::noinline]] float multiply_add_upwards(float a, float b, float c) {
  std::fesetround(FE_UPWARD);
  const float result = multiply_add(a, b, c);
  std::fesetround(FE_TONEAREST);
  return result;
}

[[nodiscard]] std::int64_t wrong(float x, float y) {
  const auto inverse = std::bit_cast<std::int32_t>(1.0F / y);
  std::int64_t count = 0;
  for (int ulps = -2; ulps <= 2; ++ulps) {
    const float quotient = model::quotient_by(std::bit_cast<float>(inverse + ulps), x, y,
                                              multiply_add, multiply_add_upwards);
    count += quotient != x / y ? 1 : 0;
  }
  return count;
}

}  // namespace

std::int64_t wrong_quotients(std::int32_t stride) {
  const auto bits = [](float x) { return std::bit_cast<std::int32_t>(x); };
  std::int64_t count = 0;
  for (std::int32_t y = bits(1.0F); y <= bits(2.0F); ++y) {
    count += wrong(1.0F, std::bit_cast<float>(y));
  }
  for (std::int32_t e = bits(0x1p-28F); e <= bits(1.0F); e += stride) {
    count += wrong(std::bit_cast<float>(e), 1.0F + std::bit_cast<float>(e));
  }
  return count;
}

}  // namespace lmgc::cuda_on_host
