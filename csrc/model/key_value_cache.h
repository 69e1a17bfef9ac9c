#pragma once

#include <cstdint>
#include <vector>

#include "model/kernels.h"
#include "model/language_model.h"
#include "model/matrix.h"

namespace lmgc::model {

/// Packed as matrices on the right: keys with a column per token, values with a column per
/// dimension.
class KeyValueCache {
 public:
  KeyValueCache(const Architecture& architecture, std::int64_t lanes, std::int64_t capacity);
  KeyValueCache(const KeyValueCache&) = delete;
  KeyValueCache& operator=(const KeyValueCache&) = delete;

  /// Contexts still running.
  [[nodiscard]] std::int64_t lanes() const { return lanes_; }
  /// Tokens in each.
  [[nodiscard]] std::int64_t length() const { return length_; }
  [[nodiscard]] std::int64_t capacity() const { return capacity_; }
  [[nodiscard]] bool fits(const Architecture& architecture) const {
    return architecture.layers == layers_ && architecture.kv_heads == kv_heads_ &&
           architecture.head_width == head_width_;
  }

 private:
  friend class Forward;
  friend class LanguageModel;

  /// Keys and values of one head of one layer and lane.
  struct Head {
    std::int8_t* keys;       ///< panels of [head_depth / 4][16 tokens][4]
    std::int8_t* values;     ///< panels of [padded_capacity / 4][16 dimensions][4]
    std::int32_t* key_sums;  ///< of a key's codes, [padded_capacity], as are the next
    float* key_scales;
    float* value_scales;
  };

  [[nodiscard]] Head head(std::int64_t layer, std::int64_t lane, std::int64_t kv_head);
  void put_key(const Head& head, std::int64_t token, const std::int8_t* codes, float scale) const;
  void put_value(const Head& head, std::int64_t token, const std::int8_t* codes, float scale) const;

  std::int64_t lanes_, capacity_, length_ = 0;
  std::int64_t layers_, all_lanes_, kv_heads_, head_width_;
  std::int64_t padded_capacity_;  ///< of whole panels
  std::int64_t head_depth_;       ///< head_width rounded up to kPanelDepth
  std::int64_t head_columns_;     ///< head_width rounded up to kPanelColumns
  AlignedBytes keys_, values_;
  std::vector<std::int32_t> key_sums_;
  std::vector<float> key_scales_, value_scales_;
};

}  // namespace lmgc::model
