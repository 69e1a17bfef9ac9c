#include "coder/rans_steps.h"

namespace lmgc::coder {
namespace {

bool supported() { return true; }

std::byte* encode(const RansView& tables, const std::uint16_t* cells, std::size_t count,
                  std::uint32_t* states, std::size_t lanes, std::byte* end) {
  return encode_steps(tables, cells, 0, count, states, lanes, end);
}

const std::byte* decode(const RansView& tables, const std::uint16_t* contexts,
                        std::uint8_t* symbols, std::size_t count, std::uint32_t* states,
                        std::size_t lanes, const std::byte* at, const std::byte* end) {
  return decode_steps(tables, contexts, symbols, 0, count, states, lanes, at, end);
}

}  // namespace

const RansKernels kScalarRans = {
    .name = "scalar", .supported = supported, .encode = encode, .decode = decode};

}  // namespace lmgc::coder
