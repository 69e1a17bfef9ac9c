#pragma once

#include <cstdint>

/// The model's loops on a CUDA device, enqueued on `stream` (a cudaStream_t). Pointers are the
/// device's. Bits are those of model/kernels.h, which says what each does.
namespace lmgc::model::cuda {

/// Matrices on the right have whole multiples of this many rows, zeros past the last.
inline constexpr std::int64_t kColumnUnit = 96;
/// Matrices on the left have room for whole multiples of this many rows.
inline constexpr std::int64_t kRowUnit = 128;
/// Codes of a row, zeros past the last; heads and contexts too.
inline constexpr std::int64_t kDepthUnit = 64;
/// Tokens whose value codes of one dimension lie side by side.
inline constexpr std::int64_t kTokenRun = 16;
/// Longest head.
inline constexpr std::int64_t kHeadLimit = 256;

/// Codes [rows, depth], and their rows' scales.
struct Left {
  const std::int8_t* codes;
  const float* scales;
  std::int64_t rows;
};

/// Codes [columns rounded up to kColumnUnit, depth], and their rows' scales and biases.
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

/// Where codes and scales of rows go, `depth` codes each.
struct CodeRows {
  std::int8_t* codes;
  float* scales;
  std::int64_t depth;
};

/// out = values of the product, with the right side's biases, as in all of these but scores.
void multiply(const Left& left, const Right& right, Floats out, void* stream);
/// out += values of the product.
void multiply_accumulate(const Left& left, const Right& right, Floats out, void* stream);
/// out [rows, columns / 2] = silu(gate) * up, where `right` has a gate and its up by turns.
void multiply_gate(const Left& left, const Right& right, Floats out, void* stream);
/// out = gelu of the values.
void multiply_gelu(const Left& left, const Right& right, Floats out, void* stream);
/// out [rows, columns] = scores.
void multiply_score(const Left& left, const Right& right, std::int32_t* out, void* stream);

/// Codes [vocabulary, width], and their rows' scales.
struct Embedding {
  const std::int8_t* codes;
  const float* scales;
  const float* positions;  ///< what is added at each step [steps, width]; null: nothing
  std::int64_t width;
};

/// out [lane, step] = value of the token's row.
void embed(const std::int32_t* tokens, std::int64_t rows, std::int64_t steps,
           const Embedding& embedding, Floats out, void* stream);

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
  std::int8_t* keys;    ///< [lane, kv head, token, depth]
  std::int8_t* values;  ///< [lane, kv head, token / kTokenRun, depth, token % kTokenRun]
  float* key_scales;    ///< [lane, kv head, token], as are the next
  float* value_scales;
  std::int64_t capacity;
};

struct Heads {
  std::int64_t kv_heads, group, head_width, depth;
  /// Tokens before the first step; steps of each lane.
  std::int64_t position, steps;
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
