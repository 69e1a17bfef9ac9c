#pragma once

#include <cstddef>
#include <span>

#include "serialize/dtype.h"

/// Decodes `bytes` as a predicted tile's code; with `encodes`, codes a tile made of them instead.
/// `sections`: as one whose sections learn from each other.
void fuzz_tile(lmgc::serialize::DType dtype, bool encodes, bool sections,
               std::span<const std::byte> bytes);
