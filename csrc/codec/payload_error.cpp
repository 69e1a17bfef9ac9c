#include "codec/payload_error.h"

namespace lmgc::codec {

PayloadError::PayloadError(Kind kind, const std::string& message)
    : std::runtime_error("lmgc payload (" + std::string(kind_name(kind)) + "): " + message),
      kind_(kind) {}

std::string_view kind_name(PayloadError::Kind kind) {
  switch (kind) {
    case PayloadError::Kind::kTruncated:
      return "truncated";
    case PayloadError::Kind::kCorrupt:
      return "corrupt";
    case PayloadError::Kind::kVersion:
      return "version";
    case PayloadError::Kind::kPreset:
      return "preset";
    case PayloadError::Kind::kModel:
      return "model";
    case PayloadError::Kind::kDType:
      return "dtype";
    case PayloadError::Kind::kShape:
      return "shape";
    case PayloadError::Kind::kHistory:
      return "history";
  }
  return "unknown";
}

}  // namespace lmgc::codec
