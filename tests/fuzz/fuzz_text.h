#pragma once

#include "codec/representation.h"

/// Preset `paper` with a prior that stands for the language model.
[[nodiscard]] const lmgc::codec::Representation& fuzzed_text();
/// The same with a mixture of experts beside it, or those alone.
[[nodiscard]] const lmgc::codec::Representation& fuzzed_mixture(bool with_model);
