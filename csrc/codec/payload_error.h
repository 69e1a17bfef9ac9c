#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace lmgc::codec {

/// A payload that cannot be decoded, and why.
class PayloadError : public std::runtime_error {
 public:
  enum class Kind {
    kTruncated,  ///< bytes are missing
    kCorrupt,    ///< bytes differ from what the encoder wrote
    kVersion,    ///< another format version, or no payload at all
    kPreset,     ///< written by a preset that this codec is not
    kModel,      ///< written with another language model
    kDType,      ///< another dtype than the receiver's
    kShape,      ///< another number of values than the receiver's
    kHistory,    ///< predicted from another history than the receiver's
  };

  PayloadError(Kind kind, const std::string& message);

  [[nodiscard]] Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

/// "truncated", "corrupt", "version", "preset", "model", "dtype", "shape" or "history".
[[nodiscard]] std::string_view kind_name(PayloadError::Kind kind);

}  // namespace lmgc::codec
