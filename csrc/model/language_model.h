#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace lmgc::model {

/// Shape of a transformer. The flags, all off in Llama, tell other families from it.
struct Architecture {
  std::int64_t layers, width, feed_forward, heads, kv_heads, head_width, vocabulary, context;
  double norm_epsilon;
  bool layer_norm = false;         ///< LayerNorm with gain and bias, instead of RMS norm
  bool gelu = false;               ///< of one projection, instead of SiLU of a gate times another
  bool learned_positions = false;  ///< added to the embedding, instead of rotating heads
  bool query_key_norm = false;     ///< RMS norm of queries and keys before they are rotated
};

/// SHA-256 of the converted weights and the architecture.
using Fingerprint = std::array<std::uint8_t, 32>;

/// Rows of the output projection for the tokens that can follow, in the order of the symbols.
class Readout;

/// Keys and values of the tokens seen so far, int8, of several contexts of equal length ("lanes").
class KeyValueCache;

/// A frozen transformer in exact arithmetic. Thread-safe: its functions change only the cache
/// given.
class LanguageModel {
 public:
  /// `weights`: the tensors that lmgc_torch/conversion.py writes, by name (its docstring gives
  /// names, shapes and dtypes). Throws c10::ValueError naming a tensor that is missing or has
  /// another shape.
  LanguageModel(const Architecture& architecture,
                const std::unordered_map<std::string, at::Tensor>& weights,
                const Fingerprint& fingerprint);
  ~LanguageModel();

  [[nodiscard]] const Architecture& architecture() const;
  [[nodiscard]] const Fingerprint& fingerprint() const;
  /// Token that opens every window.
  [[nodiscard]] std::int32_t begin_token() const;
  /// Token of each byte, [256], all different.
  [[nodiscard]] std::span<const std::int32_t> byte_tokens() const;

  [[nodiscard]] std::shared_ptr<const Readout> readout(std::span<const std::int32_t> tokens) const;

  /// Empty cache of `lanes` contexts with room for `capacity` tokens each.
  [[nodiscard]] std::unique_ptr<KeyValueCache> cache(std::size_t lanes, std::size_t capacity) const;

  /// Appends `tokens` [lanes, steps] to the first `lanes` contexts of `cache`, all of which are
  /// equally long; further contexts are dropped. Writes the next token's scores (logits, Q15.16)
  /// after each step with `wanted[step] != 0` to `scores` [lanes, count of wanted, readout tokens].
  void extend(KeyValueCache& cache, std::span<const std::int32_t> tokens, std::size_t lanes,
              std::span<const std::uint8_t> wanted, const Readout& readout,
              std::span<std::int32_t> scores) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace lmgc::model
