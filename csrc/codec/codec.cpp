#include "codec/codec.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "codec/payload_error.h"
#include "codec/staged_body.h"
#include "parallel.h"

namespace lmgc::codec {
namespace {

using serialize::DType;

constexpr std::array<std::pair<at::ScalarType, DType>, 12> kScalarTypes{{
    {at::kFloat, DType::kFloat32},
    {at::kHalf, DType::kFloat16},
    {at::kBFloat16, DType::kBFloat16},
    {at::kDouble, DType::kFloat64},
    {at::kByte, DType::kUInt8},
    {at::kChar, DType::kInt8},
    {at::kShort, DType::kInt16},
    {at::kInt, DType::kInt32},
    {at::kLong, DType::kInt64},
    {at::kUInt16, DType::kUInt16},
    {at::kUInt32, DType::kUInt32},
    {at::kUInt64, DType::kUInt64},
}};

at::ScalarType scalar_type(DType dtype) {
  return std::find_if(kScalarTypes.begin(), kScalarTypes.end(),
                      [&](const auto& pair) { return pair.second == dtype; })
      ->first;
}

/// Bytes of a contiguous tensor on the host.
std::span<std::byte> host_bytes(const at::Tensor& tensor) {
  return {static_cast<std::byte*>(tensor.mutable_data_ptr()), tensor.nbytes()};
}

at::Tensor host_payload(const at::Tensor& payload) {
  TORCH_CHECK_TYPE(payload.scalar_type() == at::kByte && payload.dim() == 1,
                   "lmgc decode: a payload is a 1-D uint8 tensor, got ", payload.dim(), "-D ",
                   payload.scalar_type());
  return payload.to(at::kCPU).contiguous();
}

Header header_of(const at::Tensor& gradient) {
  TORCH_CHECK_VALUE(gradient.dim() <= static_cast<std::int64_t>(kMaxDimensions),
                    "lmgc encode: a tensor of ", gradient.dim(), " dimensions, at most ",
                    kMaxDimensions, " are supported; flatten it first");
  std::uint64_t extent = 1;
  for (const std::int64_t size : gradient.sizes()) {
    TORCH_CHECK_VALUE(static_cast<std::uint64_t>(size) <= kMaxExtent / extent,
                      "lmgc encode: shape ", gradient.sizes(), " exceeds 2^48 values");
    extent *= std::max<std::uint64_t>(static_cast<std::uint64_t>(size), 1);
  }
  return {.dtype = payload_dtype(gradient.scalar_type()), .shape = gradient.sizes().vec()};
}

using Spans = std::vector<std::span<const std::byte>>;

std::size_t size_of(const Spans& parts) {
  std::size_t size = 0;
  for (const auto& part : parts) size += part.size();
  return size;
}

/// The payload of header and body.
at::Tensor joined(const Spans& parts) {
  const at::Tensor payload = at::empty({static_cast<std::int64_t>(size_of(parts))}, at::kByte);
  const std::span<std::byte> bytes = host_bytes(payload);
  std::vector<std::size_t> starts(parts.size());
  std::transform_exclusive_scan(parts.begin(), parts.end(), starts.begin(), std::size_t{0},
                                std::plus{}, [](const auto& part) { return part.size(); });
  parallel_for(parts.size(), [&](std::size_t i) {
    std::ranges::copy(parts[i], bytes.begin() + static_cast<std::ptrdiff_t>(starts[i]));
  });
  seal(bytes);
  return payload;
}

}  // namespace

DType payload_dtype(at::ScalarType dtype) {
  const auto found = std::find_if(kScalarTypes.begin(), kScalarTypes.end(),
                                  [&](const auto& pair) { return pair.first == dtype; });
  TORCH_CHECK_TYPE(
      found != kScalarTypes.end(), "lmgc: dtype ", dtype,
      " is not supported; use float32, float16, bfloat16, float64 or an integer dtype");
  return found->second;
}

void check_parameters(const at::Tensor& tensor, std::span<const Parameter> parameters) {
  std::int64_t sum = 0;
  for (const Parameter& parameter : parameters) sum += parameter.values();
  TORCH_CHECK_VALUE(sum == tensor.numel(), "lmgc: parameters of ", sum, " values in a tensor of ",
                    tensor.numel(), "; the shapes must be those of the parameters in it");
}

Codec::Codec(std::shared_ptr<const Representation> representation)
    : representation_(std::move(representation)) {}

at::Tensor Codec::encode(const at::Tensor& gradient, std::span<const Parameter> parameters,
                         bool raw_fallback, std::uint64_t occasion) const {
  TORCH_CHECK_TYPE(gradient.layout() == at::kStrided, "lmgc encode: layout ", gradient.layout(),
                   " is not supported; pass a dense tensor");
  TORCH_CHECK_TYPE(!gradient._is_zerotensor(),
                   "lmgc encode: a zero tensor without memory is not supported; clone it first");
  Header header = header_of(gradient);
  const Parameter whole{gradient.sizes().vec(), nullptr};
  if (parameters.empty()) parameters = {&whole, 1};
  check_parameters(gradient, parameters);
  const at::Tensor host = gradient.detach().resolve_neg().to(at::kCPU).contiguous();
  const std::span<const std::byte> values = host_bytes(host);

  header.content_hash = hash(values) ^ occasion;
  Parts coded;
  if (!values.empty()) coded = representation_->encode(header.dtype, values, parameters);
  Spans body(coded.begin(), coded.end());
  if (size_of(body) < values.size() || (!raw_fallback && !values.empty())) {
    header.preset = representation_->preset();
  } else {
    body = {values};
  }
  const std::vector<std::byte> first = write_header(header);
  body.insert(body.begin(), first);
  return joined(body).to(gradient.device());
}

at::Tensor Codec::encode_staged(const Staged& staged, std::span<const Parameter> parameters,
                                std::uint64_t occasion) const {
  const Preset preset = preset_of(staged, *representation_);
  if (preset == Preset::kRaw || staged.values.numel() == 0) {
    return encode(staged.values, parameters, true, occasion);
  }
  Header header = header_of(staged.values);
  const Parameter whole{staged.values.sizes().vec(), nullptr};
  if (parameters.empty()) parameters = {&whole, 1};
  check_parameters(staged.values, parameters);
  const std::span<const std::byte> values = host_bytes(staged.values);
  header.content_hash = hash(values) ^ occasion;
  const Parts coded = codec::encode_staged(staged, parameters, *representation_);
  Spans body(coded.begin(), coded.end());
  if (size_of(body) < values.size()) {
    header.preset = preset;
  } else {
    body = {values};
  }
  const std::vector<std::byte> first = write_header(header);
  body.insert(body.begin(), first);
  return joined(body);
}

at::Tensor Codec::decode(const at::Tensor& payload, std::span<const Parameter> parameters) const {
  const at::Tensor host = host_payload(payload);
  const Payload payload_read = read(host_bytes(host));
  const Header& header = payload_read.header;
  const std::uint64_t capacity = capacity_bytes(payload_read);
  if (header.values() > capacity / serialize::traits(header.dtype).bytes) {
    throw PayloadError(PayloadError::Kind::kCorrupt,
                       std::to_string(header.values()) + " values in " +
                           std::to_string(payload_read.body.size()) + " bytes");
  }
  const at::Tensor gradient = at::empty(header.shape, scalar_type(header.dtype));
  decode_body(payload_read, parameters, host_bytes(gradient), 0);
  return gradient.to(payload.device());
}

void Codec::decode_into(const at::Tensor& payload, std::span<const Parameter> parameters,
                        at::Tensor& gradient, std::uint64_t occasion) const {
  const at::Tensor host = host_payload(payload);
  const Payload payload_read = read(host_bytes(host));
  const Header& header = payload_read.header;
  if (header.dtype != payload_dtype(gradient.scalar_type())) {
    throw PayloadError(PayloadError::Kind::kDType,
                       std::string(serialize::traits(header.dtype).name) +
                           " values for a tensor of " + at::toString(gradient.scalar_type()));
  }
  if (header.values() != static_cast<std::uint64_t>(gradient.numel())) {
    throw PayloadError(PayloadError::Kind::kShape, std::to_string(header.values()) +
                                                       " values for a tensor of " +
                                                       std::to_string(gradient.numel()));
  }
  TORCH_CHECK_VALUE(gradient.is_contiguous(),
                    "lmgc decode: the receiving tensor is not contiguous");
  if (gradient.device().is_cpu()) {
    decode_body(payload_read, parameters, host_bytes(gradient), occasion);
  } else {
    const at::Tensor staged = at::empty_like(gradient, at::TensorOptions(at::kCPU));
    decode_body(payload_read, parameters, host_bytes(staged), occasion);
    gradient.copy_(staged);
  }
}

std::vector<std::int64_t> Codec::bytes_of_parameters(const at::Tensor& payload,
                                                     std::span<const Parameter> parameters) const {
  const at::Tensor host = host_payload(payload);
  const auto [header, body] = read(host_bytes(host));
  const std::vector<Extent> extents =
      header.preset == representation_->preset()
          ? representation_->extents(header.dtype, header.values(), body)
          : std::vector<Extent>{{header.values(), body.size()}};
  std::vector<std::int64_t> bytes;
  auto extent = extents.begin();
  std::uint64_t at = 0;  // in the extent
  for (const Parameter& parameter : parameters) {
    std::uint64_t sum = 0;
    auto left = static_cast<std::uint64_t>(parameter.values());
    while (left > 0 && extent != extents.end()) {
      const std::uint64_t end = std::min(at + left, extent->values);
      sum += extent->bytes * end / extent->values - extent->bytes * at / extent->values;
      left -= end - at;
      at = end;
      if (at == extent->values) {
        ++extent;
        at = 0;
      }
    }
    bytes.push_back(static_cast<std::int64_t>(sum));
  }
  return bytes;
}

Payload Codec::read(std::span<const std::byte> bytes) const {
  Payload payload = read_payload(bytes);
  const Preset preset = payload.header.preset;
  if (reads_staged(preset, *representation_)) {
    if (payload.header.dtype != DType::kFloat32) {
      throw PayloadError(PayloadError::Kind::kDType, "staged values of another dtype than float32");
    }
  } else if (preset != Preset::kRaw && preset != representation_->preset()) {
    throw PayloadError(PayloadError::Kind::kPreset, std::string("written by preset ") +
                                                        preset_name(preset) + ", this codec is " +
                                                        preset_name(representation_->preset()));
  }
  return payload;
}

std::uint64_t Codec::capacity_bytes(const Payload& payload) const {
  const Preset preset = payload.header.preset;
  if (preset == Preset::kRaw) return payload.body.size();
  if (reads_staged(preset, *representation_)) return staged_capacity_bytes(preset, payload.body);
  return representation_->capacity_bytes(payload.header.dtype, payload.body);
}

void Codec::decode_body(const Payload& payload, std::span<const Parameter> parameters,
                        std::span<std::byte> values, std::uint64_t occasion) const {
  const Header& header = payload.header;
  if (header.preset == Preset::kRaw) {
    if (payload.body.size() != values.size()) {
      throw PayloadError(PayloadError::Kind::kCorrupt,
                         std::to_string(payload.body.size()) + " raw bytes for " +
                             std::to_string(values.size()) + " bytes of values");
    }
    std::copy(payload.body.begin(), payload.body.end(), values.begin());
  } else if (reads_staged(header.preset, *representation_)) {
    const std::span floats{reinterpret_cast<float*>(values.data()), values.size() / sizeof(float)};
    if (!floats.empty()) {
      decode_staged(header.preset, payload.body, parameters, *representation_, floats);
    }
  } else {
    representation_->decode(header.dtype, payload.body, parameters, values);
  }
  if ((hash(values) ^ occasion) != header.content_hash) {
    throw PayloadError(
        PayloadError::Kind::kCorrupt,
        "the decoded values do not match their checksum; if it is the payload that was sent for "
        "these values, the two sides computed different probabilities: please report it");
  }
}

}  // namespace lmgc::codec
