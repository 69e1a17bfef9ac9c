#include "fuzz_tile.h"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "codec/payload_error.h"
#include "codec/tile_coder.h"
#include "codec/tile_sections.h"
#include "predict/history.h"
#include "serialize/float_words.h"

namespace {

constexpr std::int64_t kShape[]{66, 67};
constexpr const lmgc::predict::Model* kNone = nullptr;
constexpr std::size_t kValues = 66 * 67;

/// Two steps of a gradient whose columns depend on each other.
const lmgc::predict::History& history() {
  static const lmgc::predict::History made = [] {
    lmgc::predict::History learned(kShape, {.max_pivots = 32});
    for (int step = 1; step < 3; ++step) {
      std::vector<float> values(kValues);
      for (std::size_t i = 0; i < kValues; ++i) {
        const auto row = static_cast<int>(i / 67), column = static_cast<int>(i % 67);
        values[i] = static_cast<float>((row * step % 7 - 3) * (column % 5 - 2) * 64 +
                                       row * column * 37 % 61) *
                    1e-6F;
      }
      learned.observe(values);
    }
    return learned;
  }();
  return made;
}

}  // namespace

void fuzz_tile(lmgc::serialize::DType dtype, bool encodes, bool sections,
               std::span<const std::byte> bytes) {
  using namespace lmgc;
  if (!serialize::is_float(dtype) || bytes.empty()) return;
  const predict::Tile& tile = history().tiles().front();
  const predict::Model* model = history().models().front().get();
  const auto own_rows = [&] { return history().tile_history(0)->own_rows(); };
  std::vector<std::byte> values(kValues * serialize::traits(dtype).bytes), decoded(values.size());
  codec::TileBuffers buffers;
  if (!encodes) {
    try {
      if (sections) {
        codec::decode_sections(dtype, bytes, tile, own_rows(), buffers, decoded.data());
      } else {
        for (const predict::Model* known : {model, kNone}) {
          codec::decode_tile(dtype, bytes, tile, known, buffers, decoded.data());
        }
      }
    } catch (const codec::PayloadError&) {
    }
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = bytes[i % bytes.size()];
  if (sections) {
    const auto code = codec::encode_sections(dtype, values.data(), tile, own_rows(), buffers);
    codec::decode_sections(dtype, code, tile, own_rows(), buffers, decoded.data());
  } else {
    for (const predict::Model* known : {model, kNone}) {
      const auto code = codec::encode_tile(dtype, values.data(), tile, known, true, buffers);
      codec::decode_tile(dtype, code, tile, known, buffers, decoded.data());
      if (decoded != values) std::abort();
    }
  }
  if (decoded != values) std::abort();
}
