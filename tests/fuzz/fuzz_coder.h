#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// Bulk coders on any bytes: an answer or a StreamError, the same on every instruction set, and
/// what is encoded comes back. `choice` picks the symbols' number and tables.
void fuzz_coder(std::uint8_t choice, std::span<const std::byte> bytes);
