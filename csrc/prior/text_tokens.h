#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "serialize/text_format.h"

namespace lmgc::prior {

/// A text's symbols as a model's tokens: a fixed one for each symbol (LM-GC, section 3.1), and
/// those of what stands around groups, which are fed to the model and cost nothing.
struct TextTokens {
  /// `byte_tokens` [256]: token of each character.
  TextTokens(const serialize::TextFormat& format, std::int32_t begin_token,
             std::span<const std::int32_t> byte_tokens);

  /// Appends those of symbol `index` of a window: the symbol's, and what follows its group.
  void append(std::size_t index, std::uint16_t symbol, std::vector<std::int32_t>& tokens) const;

  std::vector<std::int32_t> symbols;  ///< [alphabet]
  std::vector<std::int32_t> opening;  ///< of a window: the begin token, then the first prefix
  std::vector<std::int32_t> between;  ///< two groups
  std::size_t symbols_per_group;
};

/// Tokens of chunks in lockstep that the model has not seen yet.
class PendingTokens {
 public:
  void start(const TextTokens& text, std::size_t chunks);
  /// The next symbol of each running chunk. Fewer than before: the last chunks have ended.
  void tell(const TextTokens& text, std::span<const std::uint16_t> symbols);
  void clear() { tokens_.clear(); }

  [[nodiscard]] bool empty() const { return tokens_.empty(); }
  [[nodiscard]] std::size_t chunks() const { return chunks_; }
  /// [chunks, steps]; a symbol follows the last step.
  [[nodiscard]] std::span<const std::int32_t> tokens() const { return tokens_; }
  [[nodiscard]] std::vector<std::uint8_t> wanted() const;

 private:
  std::size_t chunks_ = 0, position_ = 0;  // running chunks; symbols told so far
  std::vector<std::int32_t> tokens_;
};

/// Windows of tokens side by side, and after which of their steps a symbol follows.
struct TokenWindows {
  std::vector<std::int32_t> tokens;  ///< [windows, steps]
  std::vector<std::uint8_t> wanted;  ///< [steps], 1 or 0
};

/// Windows of consecutive runs of `run` symbols. If the last run is shorter, its window goes on
/// with any.
[[nodiscard]] TokenWindows windows_of(const TextTokens& text,
                                      std::span<const std::uint16_t> symbols, std::size_t run);

}  // namespace lmgc::prior
