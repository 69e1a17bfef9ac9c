#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "predict/grid.h"

/// Loops over a row's values: elementwise, the same bits from every instruction set.
namespace lmgc::predict {

/// In RowCodes::counts and RowValues::counts: too rare a case for a row's loop.
inline constexpr std::uint8_t kRare = 255;
/// In RowValues::counts: in the cell at zero, whose octave follows in unary.
inline constexpr std::uint8_t kUnary = 254;

/// Larger values predict nothing.
inline constexpr float kSmall = 0x1p60F;

/// Scales and grid of a row's values.
struct RowGrid {
  FloatGrid grid;
  int row_scale;
  const std::int32_t* column_scales;
};

/// Codes of a row's values. Where the count is kRare, code_value tells the rest.
struct RowCodes {
  std::uint16_t* cells;  ///< coder::cell_of context and symbol
  std::uint32_t* bits;
  std::uint8_t* counts;
};

/// Places of a row's predictions.
struct RowPlaces {
  std::uint16_t* contexts;
  std::int32_t* centers;
  std::int32_t* steps;
};

/// A row's values without their raw bits: `counts` of those belong at bit 23 - mantissa_bits and
/// above. For kUnary the octave is that of the first below the step.
struct RowValues {
  float* values;
  std::uint8_t* counts;
};

struct RowSizes {
  std::uint32_t sum;    ///< of sizes
  std::uint32_t count;  ///< of sizes above 0
  std::uint32_t bits;   ///< or of all values' bits
};

/// One implementation of the loops. "scalar" is the reference.
struct RowKernels {
  std::string_view name;
  bool (*supported)();

  /// Codes of values [count] in units of their scales, given by reciprocals.
  void (*codes)(const float* values, const float* column_units, float row_unit, std::size_t count,
                std::int16_t* codes);
  /// The same of what a first prediction leaves, into the first or `second` of pairs.
  void (*remainder_codes)(const float* values, const float* first, const float* column_units,
                          float row_unit, bool second, std::size_t count, std::int16_t* pairs);
  /// Predictions [count] from sums of products of codes and weights.
  void (*predictions)(const std::int32_t* sums, const float* column_units, float row_unit,
                      std::size_t count, float* predictions);
  /// Adds them to others, `first`, which may be the same as `predictions`.
  void (*add_predictions)(const std::int32_t* sums, const float* column_units, float row_unit,
                          const float* first, std::size_t count, float* predictions);

  /// Sum of products of codes and weights, in int32.
  std::int32_t (*dot)(const std::int16_t* codes, const std::int8_t* weights, std::size_t count);

  /// Values [count] below kSmall in size; others as 0.
  void (*keep_small)(const float* values, std::size_t count, float* kept);
  /// Sum of `terms` rows [count] times their factors, added in this order.
  void (*weighted_sum)(const float* const* rows, const float* factors, std::size_t terms,
                       std::size_t count, float* sums);

  /// code_value of each.
  void (*code_values)(const float* values, const float* predictions, const RowGrid& row,
                      std::size_t count, const RowCodes& codes);
  /// place_of of each.
  void (*places)(const float* predictions, const RowGrid& row, std::size_t count,
                 const RowPlaces& places);
  /// value_of as far as symbols tell.
  void (*without_raw_bits)(const std::uint8_t* symbols, const RowPlaces& places,
                           const FloatGrid& grid, std::size_t count, const RowValues& row);
  /// Adds to each value the lowest of its `bits`, as many as its count, at bit `shift`.
  void (*add_raw_bits)(const std::uint32_t* bits, int shift, std::size_t count,
                       const RowValues& row);

  // For the encoder's choices.

  /// About the sum of the squares of (value - first) * column_unit * row_unit that are finite.
  float (*sum_of_squares)(const float* values, const float* first, const float* column_units,
                          float row_unit, std::size_t count);
  /// log2 of how far values lie from predictions (scales.h), and the bits of each column so far.
  RowSizes (*sizes)(const float* values, const float* predictions, std::size_t count,
                    std::uint32_t* sizes, std::uint32_t* column_bits);
  /// Adds what sizes above 0 exceed `mean` by, and counts them.
  void (*add_excess)(const std::uint32_t* sizes, std::uint32_t mean, std::size_t count,
                     std::int32_t* excess, std::uint32_t* counts);
};

extern const RowKernels kScalarRows;
#ifdef LMGC_X86_64
extern const RowKernels kAvx2Rows;
extern const RowKernels kAvx512Rows;
#endif

/// Those that this machine runs and that passed the self-test, fastest first; never empty.
[[nodiscard]] std::span<const RowKernels* const> usable_row_kernels();

/// The one in use: the fastest, unless `use_row_kernels` chose another.
[[nodiscard]] const RowKernels& row_kernels();

/// Throws std::invalid_argument if `name` is not usable here.
[[nodiscard]] const RowKernels& row_kernels(std::string_view name);
void use_row_kernels(std::string_view name);

}  // namespace lmgc::predict
