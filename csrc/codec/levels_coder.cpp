#include "codec/levels_coder.h"

#include <algorithm>
#include <string>
#include <utility>

#include "codec/level_tile.h"
#include "codec/payload_error.h"
#include "codec/steps_coder.h"
#include "codec/tile_jobs.h"
#include "codec/tile_sections.h"
#include "default_environment.h"
#include "parallel.h"

namespace lmgc::codec {
namespace {

/// Values a byte from which on side symbols may cost more than they save.
constexpr std::size_t kSparse = 12;

[[noreturn]] void corrupt(const std::string& what) {
  throw PayloadError(PayloadError::Kind::kCorrupt, what);
}

struct Head {
  predict::LevelRange range;
  Table table;
  std::vector<StepRun> runs;
};

Head read_head(ByteReader& reader) {
  Head head;
  const auto range = reader.fixed<std::uint8_t>();
  head.range = {range & 127, range > 127};
  if (head.range.most == 0 || (head.range.signs && head.range.most != 1)) corrupt("no levels");
  head.table = read_table(reader);
  head.runs = read_runs(reader, head.table.values);
  return head;
}

std::vector<std::byte> encode_sections(const Levels& levels, const StepMap& steps,
                                       const float* values, const predict::Tile& tile,
                                       predict::OwnRows own, LevelBuffers& buffers) {
  std::vector<std::vector<std::byte>> codes;
  each_section(serialize::DType::kFloat32, reinterpret_cast<const std::byte*>(values), tile, own,
               [&](const predict::Tile& section, const predict::Model* model) {
                 codes.push_back(encode_level_tile(levels.integers.data(), levels.range, steps,
                                                   section, model, true, true, buffers));
               });
  return joined_sections(codes);
}

/// `values`: of all levels; empty: tiles are not tried in sections, nor mixed.
std::vector<std::byte> encode_job(const Levels& levels, const StepMap& steps,
                                  std::span<const float> values, const Job& job,
                                  LevelBuffers& buffers) {
  const DefaultEnvironment environment;
  std::vector<std::byte> code;
  const auto try_with = [&](const predict::Model* model, bool with_columns) {
    auto other = encode_level_tile(levels.integers.data(), levels.range, steps, job.tile, model,
                                   with_columns, !values.empty(), buffers);
    if (code.empty() || other.size() < code.size()) code = std::move(other);
  };
  try_with(job.model(), true);
  if (!code.empty() && code.size() * kSparse < job.tile.rows * job.tile.columns) {
    try_with(job.model(), false);
    if (job.model() != nullptr) try_with(nullptr, true);
    if (job.model() != nullptr) try_with(nullptr, false);
  }
  if (values.empty() || code.empty() || !predict::has_model(job.tile)) return code;
  if (job.history != nullptr) {
    keep_shorter(code, kSectionsFromHistory,
                 encode_sections(levels, steps, values.data(), job.tile, job.own_rows(), buffers));
  }
  keep_shorter(
      code, kSections,
      encode_sections(levels, steps, values.data(), job.tile, predict::OwnRows(job.tile), buffers));
  return code;
}

void decode_job(std::span<const std::byte> code, predict::LevelRange range, const StepMap& steps,
                const Job& job, LevelBuffers& buffers, float* values) {
  const DefaultEnvironment environment;
  const std::byte first = code.empty() ? std::byte{0} : code.front();
  const bool from_history = first == kSectionsFromHistory && job.history != nullptr;
  if (!predict::has_model(job.tile) || (first != kSections && !from_history)) {
    decode_level_tile(code, range, steps, job.tile, job.model(), buffers, values);
    return;
  }
  ByteReader reader(code.subspan(1));
  predict::OwnRows own = from_history ? job.own_rows() : predict::OwnRows(job.tile);
  each_section(serialize::DType::kFloat32, reinterpret_cast<const std::byte*>(values), job.tile,
               own, [&](const predict::Tile& section, const predict::Model* model) {
                 const auto bytes = reader.bytes(reader.varint());
                 decode_level_tile(bytes, range, steps, section, model, buffers, values);
               });
  if (!reader.rest().empty()) corrupt("bytes after a tile's last section");
}

/// Integers times their steps.
std::vector<float> values_of(const Levels& levels, const StepMap& steps) {
  std::vector<float> values(levels.integers.size());
  if (!values.empty()) steps.fill(0, values.size(), values.data());
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] *= static_cast<float>(levels.integers[i]);
  }
  return values;
}

}  // namespace

Parts encode_levels(const Levels& levels, std::span<const Parameter> parameters, bool own_rows) {
  const std::vector<Piece> pieces = pieces_of(parameters);
  const std::uint64_t fingerprint = fingerprint_of(pieces);
  const std::vector<Job> jobs = jobs_of(pieces, fingerprint != 0);
  const StepMap steps(levels.runs, levels.steps);
  std::vector<std::vector<std::byte>> codes(jobs.size());
  const std::vector<std::size_t> order = largest_first(jobs);
  const std::vector<float> values = own_rows ? values_of(levels, steps) : std::vector<float>();
  parallel_for_with<LevelBuffers>(jobs.size(), [&](std::size_t i, LevelBuffers& buffers) {
    codes[order[i]] = encode_job(levels, steps, values, jobs[order[i]], buffers);
  });
  ByteWriter body;
  body.fixed(static_cast<std::uint8_t>(levels.range.most | (levels.range.signs ? 128 : 0)));
  write_table(fingerprint, pieces, body);
  write_runs(levels.runs, body);
  const std::vector<std::byte> step_code = encode_steps(levels.runs, levels.steps);
  body.varint(step_code.size());
  for (const auto& code : codes) body.varint(code.size());
  body.bytes(step_code);
  codes.insert(codes.begin(), std::move(body.written()));
  return codes;
}

std::uint64_t levels_capacity(std::span<const std::byte> body) {
  ByteReader reader(body);
  const Head head = read_head(reader);
  return std::min(head.table.values, reader.rest().size() * std::uint64_t{predict::kMaxTileValues});
}

void decode_levels(std::span<const std::byte> body, std::span<const Parameter> parameters,
                   std::span<float> values) {
  ByteReader reader(body);
  Head head = read_head(reader);
  if (head.table.values != values.size()) {
    corrupt("parameters of " + std::to_string(head.table.values) + " values");
  }
  attach_history(head.table, parameters);
  const std::vector<Job> jobs = jobs_of(head.table.pieces, head.table.fingerprint != 0);
  const std::uint64_t step_bytes = reader.varint();
  std::vector<std::uint64_t> sizes;
  for (std::size_t i = 0; i < jobs.size(); ++i) sizes.push_back(reader.varint());
  const StepMap steps(head.runs, decode_steps(head.runs, reader.bytes(step_bytes)));
  std::vector<std::span<const std::byte>> codes;
  for (const std::uint64_t size : sizes) codes.push_back(reader.bytes(size));
  if (!reader.rest().empty()) corrupt("bytes after the last tile");
  const std::vector<std::size_t> order = largest_first(jobs);
  parallel_for_with<LevelBuffers>(jobs.size(), [&](std::size_t i, LevelBuffers& buffers) {
    decode_job(codes[order[i]], head.range, steps, jobs[order[i]], buffers, values.data());
  });
}

}  // namespace lmgc::codec
