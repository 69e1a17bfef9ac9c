#include "model/key_value_cache.h"

#include <numeric>

namespace lmgc::model {

KeyValueCache::KeyValueCache(const Architecture& architecture, std::int64_t lanes,
                             std::int64_t capacity)
    : lanes_(lanes),
      capacity_(capacity),
      layers_(architecture.layers),
      all_lanes_(lanes),
      kv_heads_(architecture.kv_heads),
      head_width_(architecture.head_width),
      padded_capacity_(round_up(capacity, kPanelColumns)),
      head_depth_(round_up(head_width_, kPanelDepth)),
      head_columns_(round_up(head_width_, kPanelColumns)),
      keys_(architecture.layers * lanes * kv_heads_ * padded_capacity_ * head_depth_),
      values_(architecture.layers * lanes * kv_heads_ * padded_capacity_ * head_columns_),
      key_sums_(
          static_cast<std::size_t>(architecture.layers * lanes * kv_heads_ * padded_capacity_)),
      key_scales_(key_sums_.size()),
      value_scales_(key_sums_.size()) {}

KeyValueCache::Head KeyValueCache::head(std::int64_t layer, std::int64_t lane,
                                        std::int64_t kv_head) {
  const std::int64_t first = ((layer * all_lanes_ + lane) * kv_heads_ + kv_head) * padded_capacity_;
  return {keys_.data() + first * head_depth_, values_.data() + first * head_columns_,
          key_sums_.data() + first, key_scales_.data() + first, value_scales_.data() + first};
}

void KeyValueCache::put_key(const Head& head, std::int64_t token, const std::int8_t* codes,
                            float scale) const {
  for (std::int64_t i = 0; i < head_width_; ++i) {
    head.keys[packed_index(token, i, head_depth_ * kPanelColumns)] = codes[i];
  }
  head.key_sums[token] = std::accumulate(codes, codes + head_width_, std::int32_t{0});
  head.key_scales[token] = scale;
}

void KeyValueCache::put_value(const Head& head, std::int64_t token, const std::int8_t* codes,
                              float scale) const {
  for (std::int64_t i = 0; i < head_width_; ++i) {
    head.values[packed_index(i, token, padded_capacity_ * kPanelColumns)] = codes[i];
  }
  head.value_scales[token] = scale;
}

}  // namespace lmgc::model
