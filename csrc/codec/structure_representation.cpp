#include "codec/structure_representation.h"

#include <algorithm>

#include "codec/byte_stream.h"
#include "codec/payload_error.h"
#include "codec/planes_coder.h"
#include "codec/tile_coder.h"
#include "codec/tile_jobs.h"
#include "codec/tile_sections.h"
#include "default_environment.h"
#include "parallel.h"
#include "predict/tile.h"
#include "serialize/float_words.h"

namespace lmgc::codec {
namespace {

std::vector<std::byte> encode_job(serialize::DType dtype, const std::byte* values, const Job& job,
                                  bool rows_above, bool own_rows, TileBuffers& buffers) {
  const DefaultEnvironment environment;
  std::vector<std::byte> code =
      encode_tile(dtype, values, job.tile, job.model(), rows_above, buffers);
  if (!own_rows || code.empty() || !predict::has_model(job.tile)) return code;
  if (job.history != nullptr) {
    keep_shorter(code, kSectionsFromHistory,
                 encode_sections(dtype, values, job.tile, job.own_rows(), buffers));
  }
  keep_shorter(code, kSections,
               encode_sections(dtype, values, job.tile, predict::OwnRows(job.tile), buffers));
  return code;
}

void decode_job(serialize::DType dtype, std::span<const std::byte> code, const Job& job,
                TileBuffers& buffers, std::byte* values) {
  const DefaultEnvironment environment;
  const std::byte first = code.empty() ? std::byte{0} : code.front();
  if (first == kSections && predict::has_model(job.tile)) {
    decode_sections(dtype, code.subspan(1), job.tile, predict::OwnRows(job.tile), buffers, values);
  } else if (first == kSectionsFromHistory && job.history != nullptr &&
             predict::has_model(job.tile)) {
    decode_sections(dtype, code.subspan(1), job.tile, job.own_rows(), buffers, values);
  } else {
    decode_tile(dtype, code, job.tile, job.model(), buffers, values);
  }
}

}  // namespace

Parts StructureRepresentation::encode(serialize::DType dtype, std::span<const std::byte> values,
                                      std::span<const Parameter> parameters) const {
  if (!serialize::is_float(dtype)) return {encode_planes(dtype, values, parameters)};
  const std::vector<Piece> pieces = pieces_of(parameters);
  const std::uint64_t fingerprint = fingerprint_of(pieces);
  const std::vector<Job> jobs = jobs_of(pieces, fingerprint != 0);
  std::vector<std::vector<std::byte>> codes(jobs.size());
  const std::vector<std::size_t> order = largest_first(jobs);
  parallel_for_with<TileBuffers>(jobs.size(), [&](std::size_t i, TileBuffers& buffers) {
    const std::size_t job = order[i];
    codes[job] = encode_job(dtype, values.data(), jobs[job], rows_above_, own_rows_, buffers);
  });
  ByteWriter body;
  write_table(fingerprint, pieces, body);
  for (const auto& code : codes) body.varint(code.size());
  codes.insert(codes.begin(), std::move(body.written()));
  return codes;
}

std::uint64_t StructureRepresentation::capacity_bytes(serialize::DType dtype,
                                                      std::span<const std::byte> body) const {
  if (!serialize::is_float(dtype)) return planes_capacity_bytes(dtype, body);
  ByteReader reader(body);
  const Table table = read_table(reader);
  const std::uint64_t most = reader.rest().size() * std::uint64_t{predict::kMaxTileValues};
  return std::min(table.values, most) * serialize::traits(dtype).bytes;
}

std::vector<Extent> StructureRepresentation::extents(serialize::DType dtype, std::uint64_t values,
                                                     std::span<const std::byte> body) const {
  if (!serialize::is_float(dtype)) return Representation::extents(dtype, values, body);
  ByteReader reader(body);
  const Table table = read_table(reader);
  std::vector<Extent> extents;
  for (const Job& job : jobs_of(table.pieces, false)) {
    extents.push_back({job.tile.rows * job.tile.columns, reader.varint()});
  }
  return extents;
}

void StructureRepresentation::decode(serialize::DType dtype, std::span<const std::byte> body,
                                     std::span<const Parameter> parameters,
                                     std::span<std::byte> values) const {
  if (!serialize::is_float(dtype)) return decode_planes(dtype, body, values);
  ByteReader reader(body);
  Table table = read_table(reader);
  if (table.values != values.size() / serialize::traits(dtype).bytes) {
    throw PayloadError(PayloadError::Kind::kCorrupt,
                       "parameters of " + std::to_string(table.values) + " values");
  }
  attach_history(table, parameters);
  const std::vector<Job> jobs = jobs_of(table.pieces, table.fingerprint != 0);
  std::vector<std::uint64_t> sizes;
  for (std::size_t i = 0; i < jobs.size(); ++i) sizes.push_back(reader.varint());
  std::vector<std::span<const std::byte>> codes;
  for (const std::uint64_t size : sizes) codes.push_back(reader.bytes(size));
  if (!reader.rest().empty()) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "bytes after the last tile");
  }
  const std::vector<std::size_t> order = largest_first(jobs);
  parallel_for_with<TileBuffers>(jobs.size(), [&](std::size_t i, TileBuffers& buffers) {
    const std::size_t job = order[i];
    decode_job(dtype, codes[job], jobs[job], buffers, values.data());
  });
}

}  // namespace lmgc::codec
