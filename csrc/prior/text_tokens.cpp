#include "prior/text_tokens.h"

#include <algorithm>
#include <string_view>

namespace lmgc::prior {

TextTokens::TextTokens(const serialize::TextFormat& format, std::int32_t begin_token,
                       std::span<const std::int32_t> byte_tokens)
    : symbols_per_group(format.symbols_per_group()) {
  const auto write = [&](std::string_view text, std::vector<std::int32_t>& tokens) {
    for (const char c : text) tokens.push_back(byte_tokens[static_cast<unsigned char>(c)]);
  };
  for (const std::uint8_t character : format.characters()) {
    symbols.push_back(byte_tokens[character]);
  }
  opening.push_back(begin_token);
  write(format.prefix(), opening);
  write(format.suffix(), between);
  write(format.prefix(), between);
}

void TextTokens::append(std::size_t index, std::uint16_t symbol,
                        std::vector<std::int32_t>& tokens) const {
  tokens.push_back(symbols[symbol]);
  if ((index + 1) % symbols_per_group == 0) {
    tokens.insert(tokens.end(), between.begin(), between.end());
  }
}

void PendingTokens::start(const TextTokens& text, std::size_t chunks) {
  chunks_ = chunks;
  position_ = 0;
  tokens_.clear();
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    tokens_.insert(tokens_.end(), text.opening.begin(), text.opening.end());
  }
}

void PendingTokens::tell(const TextTokens& text, std::span<const std::uint16_t> symbols) {
  chunks_ = symbols.size();
  for (const std::uint16_t symbol : symbols) text.append(position_, symbol, tokens_);
  ++position_;
}

std::vector<std::uint8_t> PendingTokens::wanted() const {
  std::vector<std::uint8_t> wanted(tokens_.size() / chunks_);
  wanted.back() = 1;
  return wanted;
}

TokenWindows windows_of(const TextTokens& text, std::span<const std::uint16_t> symbols,
                        std::size_t run) {
  TokenWindows windows;
  for (std::size_t start = 0; start < symbols.size(); start += run) {
    const auto symbol_follows = [&] {
      if (start > 0) return;  // as in the first one
      windows.wanted.resize(windows.tokens.size());
      windows.wanted.back() = 1;
    };
    windows.tokens.insert(windows.tokens.end(), text.opening.begin(), text.opening.end());
    symbol_follows();
    for (std::size_t i = 0; i + 1 < run; ++i) {  // nothing follows the last symbol
      text.append(i, symbols[std::min(start + i, symbols.size() - 1)], windows.tokens);
      symbol_follows();
    }
  }
  return windows;
}

}  // namespace lmgc::prior
