#pragma once

#include <cstddef>
#include <span>

/// Bodies of levels and sparse tensors: any bytes end in values or a PayloadError, and what is
/// encoded comes back.
void fuzz_levels(bool encodes, std::span<const std::byte> bytes);
