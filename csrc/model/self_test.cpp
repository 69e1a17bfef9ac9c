#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "model/formulas.h"
#include "model/kernels.h"

/// Compares kernels with the reference; a few milliseconds, once per process.
namespace lmgc::model {
namespace {

/// xorshift; what it returns need only be varied.
class Noise {
 public:
  std::uint32_t bits() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }
  std::int8_t code() { return static_cast<std::int8_t>(bits() % 255 - kCodeLimit); }
  /// Of magnitudes from 2^-16 to 2^15.
  float value() {
    const std::uint32_t exponent = 111 + bits() % 32;
    return std::bit_cast<float>((bits() & 0x807FFFFFU) | exponent << 23);
  }

 private:
  std::uint32_t state_ = 2463534242U;
};

enum class Fill { kRandom, kLargest, kAlternating };

std::int8_t code(Noise& noise, Fill fill, std::int64_t i) {
  if (fill == Fill::kRandom) return noise.code();
  return fill == Fill::kLargest || i % 2 == 0 ? kCodeLimit : -kCodeLimit;
}

std::vector<std::byte> prepare(const Kernels& k, const std::vector<std::int8_t>& codes) {
  std::vector<std::byte> out(codes.size() * static_cast<std::size_t>(k.prepared_bytes));
  k.prepare(codes.data(), static_cast<std::int64_t>(codes.size()), out.data());
  return out;
}

bool products_agree(const Kernels& candidate, std::int64_t rows, std::int64_t depth,
                    std::int64_t panels, Fill fill) {
  Noise noise;
  const auto size = [](std::int64_t x) { return static_cast<std::size_t>(x); };
  std::vector<std::int8_t> left(size(rows * depth));
  std::vector<std::int8_t> right(size(panels * depth * kPanelColumns));
  std::vector<std::int16_t> wide(left.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    left[i] = code(noise, fill, static_cast<std::int64_t>(i));
    wide[i] = fill == Fill::kRandom ? static_cast<std::int16_t>(noise.bits() >> 17)
                                    : static_cast<std::int16_t>(kWeightLimit);
  }
  for (std::size_t i = 0; i < right.size(); ++i) {
    right[i] = code(noise, fill, static_cast<std::int64_t>(i));
  }
  std::vector<std::int32_t> column_sums(size(panels * kPanelColumns));
  for (std::size_t column = 0; column < column_sums.size(); ++column) {
    for (std::int64_t inner = 0; inner < depth; ++inner) {
      column_sums[column] += right[size(
          packed_index(static_cast<std::int64_t>(column), inner, depth * kPanelColumns))];
    }
  }
  const auto run = [&](const Kernels& k, bool is_wide) {
    std::vector<std::int32_t> out(size(rows * panels * kPanelColumns));
    const std::vector<std::byte> prepared = prepare(k, left);
    const Product product = {
        .rows = rows,
        .depth = depth,
        .left = is_wide ? static_cast<const void*>(wide.data()) : prepared.data(),
        .left_stride = depth,
        .panels = right.data(),
        .panel_stride = depth * kPanelColumns,
        .panel_count = panels,
        .column_sums = column_sums.data(),
        .out = out.data(),
        .out_stride = panels * kPanelColumns};
    (is_wide ? k.multiply_wide : k.multiply)(product);
    return out;
  };
  return run(candidate, false) == run(kScalarKernels, false) &&
         (depth > kWeightBlock || run(candidate, true) == run(kScalarKernels, true));
}

/// Every row loop on `count` numbers, its results as bytes.
std::vector<std::byte> row_results(const Kernels& k, std::size_t count) {
  Noise noise;
  std::vector<float> x(count), y(count), positive(count), scratch(count);
  std::vector<std::int32_t> sums(count), scores(count);
  std::vector<std::int8_t> codes(3 * count);
  std::vector<std::int16_t> weights(count);
  for (std::size_t i = 0; i < count; ++i) {
    x[i] = noise.value();
    y[i] = noise.value();
    positive[i] = std::abs(noise.value()) * 0x1p-16F;
    sums[i] = static_cast<std::int32_t>(noise.bits()) >> (noise.bits() % 31);
  }
  const auto n = static_cast<std::int64_t>(count);
  float scales[3] = {};
  k.quantize(x.data(), n, {codes.data(), &scales[0]});
  k.normalize(x.data(), y.data(), n, 1e-5, scratch.data(), {codes.data() + count, &scales[1]});
  k.layer_norm(x.data(), y.data(), positive.data(), n, 1e-5, scratch.data(),
               {codes.data() + 2 * count, &scales[2]});
  k.rotate(y.data(), x.data(), positive.data(), n / 2);
  k.gate(x.data(), y.data(), n);
  const Sums values = {sums.data(), positive.data(), 0x1p-10F};
  k.accumulate(values, n, x.data());
  k.dequantize(values, n, y.data());
  k.score(values, n, scores.data());
  std::vector<float> head = x;
  k.normalize_head(head.data(), positive.data(), n, 1e-5);
  std::vector<float> units = head;
  k.gelu(units.data(), n);
  k.add(units.data(), n, head.data());
  const double factor = k.attend(values, positive.data(), n, scratch.data(), weights.data());

  std::vector<std::byte> bytes;
  const auto append = [&bytes](const void* data, std::size_t size) {
    const auto* begin = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), begin, begin + size);
  };
  append(x.data(), count * sizeof(float));
  append(y.data(), count * sizeof(float));
  append(units.data(), count * sizeof(float));
  append(head.data(), count * sizeof(float));
  append(codes.data(), codes.size());
  append(scales, sizeof(scales));
  append(scores.data(), count * sizeof(std::int32_t));
  append(weights.data(), count * sizeof(std::int16_t));
  append(&factor, sizeof(factor));
  return bytes;
}

}  // namespace

bool agrees_with_reference(const Kernels& candidate) {
  for (const Fill fill : {Fill::kRandom, Fill::kLargest, Fill::kAlternating}) {
    for (const std::int64_t rows : {1, 2, 3, 4, 6, 11, 13, 25, 85}) {
      for (const std::int64_t depth : {4, 68, 512, 772}) {
        for (const std::int64_t panels : {1, 3}) {
          if (!products_agree(candidate, rows, depth, panels, fill)) return false;
        }
      }
    }
  }
  return std::ranges::all_of(std::vector<std::size_t>{1, 7, 64, 577}, [&](std::size_t count) {
    return row_results(candidate, count) == row_results(kScalarKernels, count);
  });
}

}  // namespace lmgc::model
