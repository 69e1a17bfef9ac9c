#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// Loops that learning spends its time in.
namespace lmgc::predict {

/// Right sides solved at a time.
inline constexpr std::size_t kStrip = 32;
/// Rows of them that become known together.
inline constexpr std::size_t kRowGroup = 4;

/// One compilation of the loops. All give the same bits: each sum runs in the order that is written
/// here, and only independent sums share an instruction.
struct WideLoops {
  std::string_view name;
  bool (*supported)();

  /// group [kRowGroup][kStrip] -= scales [kRowGroup][stride] * rows [count][kStrip], each sum from
  /// row 0 to row count - 1.
  void (*subtract_rows)(const float* scales, std::size_t stride, const float* rows,
                        std::size_t count, float* group);
  /// row [count] -= scale * other.
  void (*subtract)(float scale, const float* other, std::size_t count, float* row);
  /// sums [count] += (x * scale)^2.
  void (*add_squares)(const float* x, double scale, std::size_t count, double* sums);
  /// Sum of (x * scales)^2, in 8 partial sums by index modulo 8, added in their order.
  double (*sum_of_squares)(const float* x, const double* scales, std::size_t count);
  /// codes [count]: x * scales * factor, rounded to the nearest integer within +-limit.
  void (*codes)(const float* x, const double* scales, double factor, double limit,
                std::size_t count, std::int16_t* codes);
  /// left [count] = x - sums * scales * unit; 0 where that is no finite float.
  void (*remainder)(const float* x, const std::int32_t* sums, const double* scales, double unit,
                    std::size_t count, float* left);
};

extern const WideLoops kScalarWideLoops;
#ifdef LMGC_X86_64
extern const WideLoops kAvx2WideLoops;
#endif

/// Those that this machine runs and that passed the self-test, fastest first; never empty.
[[nodiscard]] std::span<const WideLoops* const> usable_wide_loops();
/// The ones in use: the fastest, unless `use_wide_loops` chose others.
[[nodiscard]] const WideLoops& wide_loops();
/// Throws std::invalid_argument if `name` is not usable here.
void use_wide_loops(std::string_view name);

/// The same for `rows_here` <= kRowGroup rows.
void subtract_rows(const float* scales, std::size_t stride, std::size_t rows_here,
                   const float* rows, std::size_t count, float* group);

}  // namespace lmgc::predict
