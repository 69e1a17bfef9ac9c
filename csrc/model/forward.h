#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/key_value_cache.h"
#include "model/readout.h"
#include "model/weights.h"

namespace lmgc::model {

/// Rows (a row is a token of a lane) that one thread takes through the layers together: enough to
/// make a panel worth its load, few enough for their codes to stay in the second-level cache.
inline constexpr std::int64_t kBlockRows = 128;

/// One pass of some tokens of some lanes through all layers, and its buffers.
///
/// Many rows: each thread takes blocks of them through a whole layer, and waits for the others once
/// a layer, because attention reads the keys of earlier rows. Few rows: threads share each product.
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
  /// Rows [begin, end); they share a part of the buffers.
  struct Block {
    std::int64_t begin, end;
  };
  /// What one thread needs for one row.
  struct RowScratch;

  template <typename Body>
  void for_blocks(const Body& body) const;
  /// Calls `body(row, scratch)` for each row of a block.
  template <typename Body>
  void for_rows(Block block, const Body& body) const;

  void embed(Block block, const std::int32_t* tokens, std::int64_t token_stride);
  /// Queries, and keys and values, which go to the cache.
  void project_heads(Block block, std::int64_t layer);
  void split_heads(Block block, std::int64_t layer, std::int64_t row, RowScratch& scratch);
  /// Makes a query or key of its projection: norm, if any, and position, if heads carry it.
  void place_head(float* head, const std::vector<float>& gain, std::int64_t position) const;
  void attend(Block block, std::int64_t layer);
  void feed_forward(Block block, const Layer& weights);
  /// Attention of the queries of `steps` steps from `row` on, of one lane, that share a key-value
  /// head.
  void mix(std::int64_t layer, std::int64_t kv_head, std::int64_t row, std::int64_t steps);

  /// Makes `write`'s codes the row on the left side of the product with `matrix`.
  template <typename Write>
  void put_left(Block block, const Matrix& matrix, std::int64_t row, RowScratch& scratch,
                const Write& write);
  void put_normalized(Block block, const Matrix& matrix, std::int64_t row, const float* x,
                      const std::vector<float>& gain, const std::vector<float>& bias,
                      RowScratch& scratch);
  /// Adds the left side times `matrix`, and `bias`, to the residual stream.
  void add_product(Block block, const Matrix& matrix, const std::vector<float>& bias);
  void multiply(Block block, const Matrix& matrix);
  [[nodiscard]] Sums sums_of(Block block, const Matrix& matrix, std::int64_t row) const;
  /// Of the first of the heads that share `kv_head`.
  [[nodiscard]] std::int64_t query_index(std::int64_t row, std::int64_t kv_head) const;

  const Architecture& a_;
  const Weights& weights_;
  KeyValueCache& cache_;
  const Kernels& kernels_;
  std::int64_t first_lane_, position_, steps_, rows_;
  std::int64_t group_;                     ///< heads that share a key-value head
  std::int64_t head_depth_;                ///< head_width rounded up to kPanelDepth
  std::int64_t widest_;                    ///< of the rows of any buffer
  std::unique_ptr<float[]> residual_;      ///< [rows, width]
  std::unique_ptr<float[]> mixed_;         ///< [rows, heads * head_width]
  std::unique_ptr<std::byte[]> left_;      ///< prepared codes; a block's are [its rows, depth]
  std::unique_ptr<float[]> left_scales_;   ///< [rows]
  std::unique_ptr<std::int32_t[]> sums_;   ///< a block's are [its rows, columns]
  std::unique_ptr<std::byte[]> queries_;   ///< prepared [lane, kv head, step, group, head_depth]
  std::unique_ptr<float[]> query_scales_;  ///< [lane, kv head, step, group]
};

}  // namespace lmgc::model
