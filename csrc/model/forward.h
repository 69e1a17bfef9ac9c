#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "model/key_value_cache.h"
#include "model/readout.h"
#include "model/weights.h"

namespace lmgc::model {

/// Rows (lanes x steps) that go through the layers together: enough to make a panel worth its load.
inline constexpr std::int64_t kPassRows = 256;
/// Steps whose attention is computed together.
inline constexpr std::int64_t kMixSteps = 16;

/// One pass of some tokens of some lanes through all layers, and its buffers.
class Forward {
 public:
  /// `steps` tokens of each of `lanes` lanes from `first_lane` on, at positions from `position` on.
  Forward(const Architecture& architecture, const Weights& weights, KeyValueCache& cache,
          std::int64_t first_lane, std::int64_t lanes, std::int64_t position, std::int64_t steps);

  /// `tokens`: of the first lane; those of the next are `token_stride` later.
  void run(const std::int32_t* tokens, std::int64_t token_stride);

  /// Scores of the token after `step` of `lane`, both counted in this pass.
  struct Wanted {
    std::int64_t lane, step;
    std::int32_t* scores;
  };
  void read(std::span<const Wanted> wanted, const Readout& readout);

 private:
  /// What one thread needs for one row.
  struct RowScratch;

  void embed(const std::int32_t* tokens, std::int64_t token_stride);
  void attend(std::int64_t layer, const Layer& weights);
  void feed_forward(const Layer& weights);
  /// Rotates and quantizes queries; keys and values go to the cache.
  void split_heads(std::int64_t layer, const Matrix& matrix, std::int64_t row, RowScratch& scratch);
  /// Attention of the queries of `steps` steps from `step` on that share a key-value head.
  void mix(std::int64_t layer, std::int64_t lane, std::int64_t kv_head, std::int64_t step,
           std::int64_t steps);

  /// Calls `body(row, scratch)` for each row, on all threads.
  template <typename Body>
  void for_rows(std::int64_t rows, const Body& body) const;
  /// Makes `write`'s codes row `row` of the left side of the product with `matrix`.
  template <typename Write>
  void put_left(const Matrix& matrix, std::int64_t row, RowScratch& scratch, const Write& write);
  void put_normalized(const Matrix& matrix, std::int64_t row, const float* x,
                      const std::vector<float>& gain, RowScratch& scratch);
  [[nodiscard]] Sums sums_of(const Matrix& matrix, std::int64_t row) const;

  const Architecture& a_;
  const Weights& weights_;
  KeyValueCache& cache_;
  const Kernels& kernels_;
  std::int64_t first_lane_, lanes_, position_, steps_, rows_;
  std::int64_t group_;                     ///< heads that share a key-value head
  std::int64_t head_depth_;                ///< head_width rounded up to kPanelDepth
  std::int64_t widest_;                    ///< of the rows of any buffer
  std::unique_ptr<float[]> residual_;      ///< [rows, width]
  std::unique_ptr<float[]> mixed_;         ///< [rows, heads * head_width]
  std::unique_ptr<std::byte[]> left_;      ///< prepared codes [rows, depth]
  std::unique_ptr<float[]> left_scales_;   ///< [rows]
  std::unique_ptr<std::int32_t[]> sums_;   ///< [rows, columns]
  std::unique_ptr<std::byte[]> queries_;   ///< prepared [lane, kv head, step, group, head_depth]
  std::unique_ptr<float[]> query_scales_;  ///< [lane, kv head, step, group]
};

}  // namespace lmgc::model
