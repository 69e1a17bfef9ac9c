#pragma once

#include "codec/representation.h"

/// Preset `paper` with a prior that stands for the language model.
[[nodiscard]] const lmgc::codec::Representation& fuzzed_text();
