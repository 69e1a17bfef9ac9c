#pragma once

#include <cstdint>

#include "host_device.h"

/// The model's loops on a CUDA device, enqueued on `stream` (a cudaStream_t). Pointers are the
/// device's. Bits are those of model/kernels.h, which says what each does.
namespace lmgc::model::cuda {

/// Matrices on the right have whole multiples of this many rows, zeros past the last.
inline constexpr std::int64_t kColumnUnit = 96;
/// Matrices on the left have room for whole multiples of this many rows.
inline constexpr std::int64_t kRowUnit = 128;
/// Codes of a row, zeros past the last; heads and contexts too.
inline constexpr std::int64_t kDepthUnit = 64;
/// Longest head.
inline constexpr std::int64_t kHeadLimit = 256;

/// Codes of matrices lie in bricks, as tensor cores want them in shared memory: of kBrickRows rows,
/// kDepthUnit codes each, whose pieces of 16 bytes are turned about so that 8 rows' pieces lie in
/// different banks. Bricks of the same rows follow one another.
inline constexpr std::int64_t kBrickRows = 8;
inline constexpr std::int64_t kPieceBytes = 16;
inline constexpr std::int64_t kBrickBytes = kBrickRows * kDepthUnit;

/// Which piece of a row lies at `piece`, and the other way round.
[[nodiscard]] LMGC_HOST_DEVICE constexpr std::int64_t turned(std::int64_t row, std::int64_t piece) {
  return piece ^ (row >> 1 & (kDepthUnit / kPieceBytes - 1));
}

/// Where code `i` of a row lies, `depth` codes long.
[[nodiscard]] LMGC_HOST_DEVICE constexpr std::int64_t place_of(std::int64_t row, std::int64_t i,
                                                               std::int64_t depth) {
  return row / kBrickRows * kBrickRows * depth + i / kDepthUnit * kBrickBytes +
         row % kBrickRows * kDepthUnit + turned(row, i % kDepthUnit / kPieceBytes) * kPieceBytes +
         i % kPieceBytes;
}

/// Which of 16 columns lies at a row of a pair of bricks: by them thread 4 g + t of a warp has, of
/// two fragments C side by side, columns 4 t ... 4 t + 3.
inline constexpr std::int64_t kColumnRun = 16;
[[nodiscard]] constexpr std::int64_t column_at(std::int64_t row) {
  return row % 8 / 2 * 4 + row / 8 * 2 + row % 2;
}

/// Rows of codes, and their scales.
struct Left {
  const std::int8_t* codes;
  const float* scales;
  std::int64_t rows;
};

/// Columns, as rows of codes in the order of column_at; their scales and biases. All rounded up to
/// kColumnUnit.
struct Right {
  const std::int8_t* codes;
  const float* scales;
  const float* biases;  ///< null: none
  std::int64_t columns, depth;
};

/// Rows of floats, `stride` apart: a multiple of 4.
struct Floats {
  float* values;
  std::int64_t stride;
};

/// Where codes (in bricks) and scales of rows go, `depth` codes each.
struct CodeRows {
  std::int8_t* codes;
  float* scales;
  std::int64_t depth;
};

/// out = values of the product, with the right side's biases, as in all of these but scores.
void multiply(const Left& left, const Right& right, Floats out, void* stream);
/// out += values of the product.
void multiply_accumulate(const Left& left, const Right& right, Floats out, void* stream);
/// Gates, then their ups: so many columns by turns.
inline constexpr std::int64_t kGateRun = 2;
/// out [rows, columns / 2] = silu(gate) * up, of gates and ups by turns.
void multiply_gate(const Left& left, const Right& right, Floats out, void* stream);
/// out = gelu of the values.
void multiply_gelu(const Left& left, const Right& right, Floats out, void* stream);
/// out [rows, columns] = scores.
void multiply_score(const Left& left, const Right& right, std::int32_t* out, void* stream);

/// Tokens of each lane before the first step. Launches that are done again later read it on the
/// device.
struct Position {
  std::int64_t most;                        ///< for which a launch has room
  const std::int32_t* on_device = nullptr;  ///< null: it is `most`

  /// In a kernel.
  [[nodiscard]] LMGC_HOST_DEVICE std::int64_t now() const {
    return on_device == nullptr ? most : *on_device;
  }
};

/// Codes [vocabulary, width], and their rows' scales.
struct Embedding {
  const std::int8_t* codes;
  const float* scales;
  const float* positions;  ///< what is added at each position [context, width]; null: nothing
  std::int64_t width;
};

/// out [lane, step] = value of the token's row.
void embed(const std::int32_t* tokens, std::int64_t rows, std::int64_t steps,
           const Embedding& embedding, const Position& position, Floats out, void* stream);

/// RMS norm; LayerNorm if there are biases. Both are [width rounded up to 4].
struct Norm {
  const float* gains;
  const float* biases;  ///< null: none
  double epsilon;
};

/// Norm of rows of x, as codes. `chosen` [rows]: which rows of x; null: all.
void normalize(Floats x, const std::int32_t* chosen, std::int64_t rows, std::int64_t width,
               const Norm& norm, CodeRows out, void* stream);
void quantize(Floats x, std::int64_t rows, std::int64_t width, CodeRows out, void* stream);

/// `lanes` contexts of one layer, with room for `capacity` tokens each, a multiple of kDepthUnit.
/// `depth`: of a head, head_width rounded up to kDepthUnit.
struct Context {
  std::int8_t* keys;  ///< [lane, kv head, token, depth]
  std::int8_t* values;
  float* key_scales;  ///< [lane, kv head, token]
  float* value_scales;
  std::int64_t capacity;
};

struct Heads {
  std::int64_t kv_heads, group, head_width, depth;
  Position position;
  std::int64_t steps;  ///< of each lane
};

/// Queries [lane, kv head, step, group] of `depth` codes.
struct Queries {
  std::int8_t* codes;
  float* scales;
};

/// What makes queries and keys of their projections.
struct Placement {
  const float* query_gains;  ///< of their RMS norm [head_width]; null: none
  const float* key_gains;
  double epsilon;
  const float* cosines;  ///< [context, head_width / 2]; null: heads are not rotated
  const float* sines;
  float query_factor;  ///< of the queries' scales
};

/// Makes queries, keys and values of the heads of `values` [lane, step], quantizes them and puts
/// them where they belong.
void split_heads(Floats values, std::int64_t lanes, const Heads& heads, const Placement& placement,
                 const Queries& queries, const Context& context, void* stream);
/// out [lane, step] = what the queries find, heads one after another.
void attend(const Queries& queries, const Context& context, std::int64_t lanes, const Heads& heads,
            Floats out, void* stream);

}  // namespace lmgc::model::cuda
