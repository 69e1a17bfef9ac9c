#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/// What a tile's history says about its next gradient. Made by history alone, so that all ranks
/// hold the same bits.
namespace lmgc::predict {

/// Fraction bits of a code: a value in units of its scale, rounded to an integer.
inline constexpr int kCodeBits = 8;
/// Codes are within +-kMaxCode: values beyond 8 scales are cut off.
inline constexpr int kMaxCode = 2047;
inline constexpr std::size_t kMaxPivots = 512;
/// Most rows or columns of a tile.
inline constexpr std::size_t kMaxSide = 4096;

/// Linear prediction along one axis of a tile: of the n columns from earlier columns, or of the n
/// rows from earlier rows. Element i in coding order is expected to be
///     2^(exponent[i] + shift[i]) * sum_k weights[i, k] * (element k / 2^exponent[k]).
struct Side {
  std::vector<std::uint16_t> order;  ///< [n] place of each element in the tile; pivots come first
  std::vector<std::uint16_t> edges;  ///< coding blocks [edges[b], edges[b+1]): from 0 to n, rising
  std::size_t pivots = 0;            ///< elements that others are predicted from, <= kMaxPivots
  std::vector<std::int8_t> weights;  ///< [n][pivots]; 0 from min(start of i's block, pivots) on
  std::vector<std::int8_t> shift;    ///< [n]
  std::vector<std::int16_t> exponent;  ///< [n] in coding order: log2 of the elements' size
};

/// Columns are predicted from values, rows from what the columns' prediction leaves. A model may be
/// of a section: those rows of a tile that follow `known_rows` others in coding order.
struct Model {
  Side columns;
  Side rows;  ///< order, shift, exponent, weights of the section alone; edges from 0 to its rows
  /// [columns' n] in their coding order: log2 of the size of what the columns' prediction leaves.
  std::vector<std::int16_t> remainder_exponent;
  std::size_t known_rows = 0;
  /// Codes of what the columns' prediction leaves of the known rows, as a Predictor holds them;
  /// empty: none are known.
  std::vector<std::int16_t> remainders;
};

}  // namespace lmgc::predict
