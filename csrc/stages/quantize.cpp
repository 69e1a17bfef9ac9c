#include "stages/quantize.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <bit>
#include <cfloat>

#include "codec/draw.h"

namespace lmgc::stages {
namespace {

/// Float bits of a step that its code leaves away.
constexpr std::int64_t kDropped = (std::int64_t{1} << codec::kDroppedStepBits) - 1;

std::int64_t rows_of(const Shape& shape) {
  if (std::ranges::count_if(shape, [](std::int64_t size) { return size > 1; }) < 2) return 1;
  return *std::ranges::find_if(shape, [](std::int64_t size) { return size > 1; });
}

/// Of each row, given its largest: a sum of integers, whose order makes no difference.
at::Tensor mean_of(const at::Tensor& size, const at::Tensor& most) {
  constexpr double kOne = 0x1p31;  // of sizes relative to the largest
  const at::Tensor sum =
      (size / at::where(most > 0, most, 1)).mul_(kOne).to(at::kLong).sum(1, true);
  const double each = 1 / (kOne * static_cast<double>(size.size(1)));
  return sum.to(at::kDouble).mul_(most).mul_(each).to(at::kFloat);
}

class Quantize final : public Quantizer {
 public:
  explicit Quantize(QuantizeOptions options)
      : options_(options), most_(options.bits == 1 ? 1 : (1 << (options.bits - 1)) - 1) {}

  void quantize(const Input& input, codec::Staged& staged) const override {
    staged.range = {most_, options_.bits == 1};
    std::vector<at::Tensor> integers, codes;
    std::int64_t start = 0;
    for (const Shape& shape : input.shapes) {
      const std::int64_t count = c10::multiply_integers(shape);
      if (count == 0) continue;
      const codec::StepRun run{static_cast<std::uint64_t>(count),
                               static_cast<std::uint64_t>(run_of(shape, count))};
      const at::Tensor rows = codec::by_step(input.values.narrow(0, start, count), run);
      const at::Tensor code = codes_of(rows);
      const at::Tensor integer =
          integers_of(rows, codec::floats_of_steps(code), input.own_key, start);
      integers.push_back(integer.to(at::kChar).flatten().narrow(0, 0, count));
      codes.push_back(code.flatten());
      staged.runs.push_back(run);
      start += count;
    }
    staged.integers = at::cat(integers);  // no zero has a sign
    staged.steps = at::cat(codes);
  }

 private:
  [[nodiscard]] std::int64_t run_of(const Shape& shape, std::int64_t count) const {
    switch (options_.scope) {
      case Scope::kRow:
        return count / rows_of(shape);
      case Scope::kBlock:
        return std::min(options_.block, count);
      default:
        return count;
    }
  }

  /// int16 [rows, 1].
  [[nodiscard]] at::Tensor codes_of(const at::Tensor& rows) const {
    const bool by_mean = options_.bits == 1 && !options_.stochastic;
    const at::Tensor size = rows.abs();
    const at::Tensor most = size.amax(1, /*keepdim=*/true);
    const at::Tensor wanted = by_mean ? mean_of(size, most) : divided(most, most_);
    // Up, so that no value lies beyond the last integer.
    const at::Tensor bits = wanted.view(at::kInt);
    const at::Tensor code = bits.add(kDropped).bitwise_right_shift(codec::kDroppedStepBits);
    const float largest = FLT_MAX / static_cast<float>(most_);
    const auto last =
        static_cast<std::int64_t>(std::bit_cast<std::uint32_t>(largest) >> codec::kDroppedStepBits);
    return at::where(wanted == 0, 0, code.clamp(codec::kLeastStep, last)).to(at::kShort);
  }

  /// As floats.
  [[nodiscard]] at::Tensor integers_of(const at::Tensor& rows, const at::Tensor& step,
                                       std::uint64_t key, std::int64_t start) const {
    if (options_.bits == 1 && !options_.stochastic) return rows.sign();
    const at::Tensor quotient = rows / at::where(step > 0, step, 1);
    if (!options_.stochastic) return quotient.round().clamp(-most_, most_);
    const at::Tensor chance =
        codec::noise(rows.numel(), codec::mixed(key, static_cast<std::uint64_t>(start)),
                     rows.options())
            .bitwise_right_shift(8)
            .to(at::kFloat)
            .mul(0x1p-24)
            .view(rows.sizes());
    if (options_.bits > 1) return (quotient + chance).floor().clamp(-most_, most_);
    return at::where(rows == 0, 0, at::where((quotient + 1) * 0.5 > chance, 1, -1)).to(at::kFloat);
  }

  QuantizeOptions options_;
  int most_;
};

}  // namespace

std::shared_ptr<const Quantizer> make_quantize(QuantizeOptions options) {
  TORCH_CHECK_VALUE(options.bits >= 1 && options.bits <= 8, "quantization to ", options.bits,
                    " bits; use 1 to 8");
  TORCH_CHECK_VALUE(options.scope != Scope::kBlock || options.block >= 1, "blocks of ",
                    options.block, " values; use at least 1");
  return std::make_shared<Quantize>(options);
}

}  // namespace lmgc::stages
