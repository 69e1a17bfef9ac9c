/// Fuzz target: the first byte picks what the rest is; whatever it is, the answer is values or a
/// PayloadError, and what is encoded comes back.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "codec/header.h"
#include "codec/payload_error.h"
#include "codec/structure_representation.h"
#include "fuzz_coder.h"
#include "fuzz_levels.h"
#include "fuzz_text.h"
#include "fuzz_tile.h"
#include "serialize/dtype.h"

namespace {

using lmgc::codec::Parameter;
using lmgc::codec::PayloadError;
using lmgc::codec::Representation;
using lmgc::codec::StructureRepresentation;
using lmgc::serialize::DType;

constexpr std::uint64_t kMaxDecodedBytes = 1 << 20;

const Representation& structure() {
  static const StructureRepresentation representation(true, true);
  return representation;
}

const Representation& representation_of(std::uint8_t choice) {
  if (choice & 16) return fuzzed_mixture(choice & 1);
  return choice & 1 ? fuzzed_text() : structure();
}

void decode(const Representation& representation, DType dtype, std::uint64_t values,
            std::span<const std::byte> body) {
  const std::uint64_t bytes = values * lmgc::serialize::traits(dtype).bytes;
  if (bytes > kMaxDecodedBytes) return;
  try {
    if (bytes > representation.capacity_bytes(dtype, body)) return;
    std::vector<std::byte> decoded(bytes);
    representation.decode(dtype, body, {}, decoded);
  } catch (const PayloadError&) {
  }
}

void decode_payload(const Representation& representation, std::span<const std::byte> bytes) {
  try {
    const auto payload = lmgc::codec::read_payload(bytes);
    decode(representation, payload.header.dtype, payload.header.values(), payload.body);
  } catch (const PayloadError&) {
  }
}

/// A payload that passes its checksum, whatever it holds: no fuzzer finds a checksum by chance.
std::vector<std::byte> with_checksum(std::span<const std::byte> hashed) {
  const auto header = lmgc::codec::write_header({});
  std::vector<std::byte> bytes(header.begin(), header.end() - 11);  // the others are hashed
  bytes.insert(bytes.end(), hashed.begin(), hashed.end());
  lmgc::codec::seal(bytes);
  return bytes;
}

std::vector<std::byte> joined(const lmgc::codec::Parts& parts) {
  std::vector<std::byte> bytes;
  for (const auto& part : parts) bytes.insert(bytes.end(), part.begin(), part.end());
  return bytes;
}

void round_trip(const Representation& representation, DType dtype,
                std::span<const std::byte> bytes) {
  const std::size_t size = lmgc::serialize::traits(dtype).bytes;
  const std::vector<std::byte> values(  // aligned, as elements of tensors are
      bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / size * size));
  if (values.empty()) return;
  const auto count = static_cast<std::int64_t>(values.size() / size);
  const std::int64_t rows = count / 3 / 20;
  const Parameter parameters[]{{{rows, 20}, {}}, {{0, 5}, {}}, {{count - rows * 20}, {}}};
  const auto body = joined(representation.encode(dtype, values, parameters));
  std::vector<std::byte> decoded(values.size());
  representation.decode(dtype, body, {}, decoded);
  if (!std::ranges::equal(values, decoded)) std::abort();
  if (representation.capacity_bytes(dtype, body) < values.size()) std::abort();
  if (body != joined(representation.encode(dtype, values, parameters))) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(3);
  if (data[0] & 128) {
    fuzz_coder(data[1], bytes);
    return 0;
  }
  const auto dtype = static_cast<DType>(data[1] % lmgc::serialize::kDTypes.size());
  if (data[0] & 64) {
    fuzz_tile(dtype, data[0] & 1, data[0] & 2, bytes);
    return 0;
  }
  if (data[0] & 32) {
    fuzz_levels(data[0] & 1, bytes);
    return 0;
  }
  const Representation& representation = representation_of(data[0]);
  switch (data[0] / 2 % 4) {
    case 0:
      decode_payload(representation, bytes);
      break;
    case 3:
      decode_payload(representation, with_checksum(bytes));
      break;
    case 1:
      decode(representation, dtype, data[2] * std::uint64_t{3}, bytes);
      break;
    case 2:
      round_trip(representation, dtype, bytes);
      break;
  }
  return 0;
}
