#pragma once

#include <cstdint>

#include "model/cuda/device.h"
#include "model/cuda/launch.h"
#include "model/cuda/warpgroup.cuh"

namespace lmgc::model::cuda {

inline constexpr int kTeams = 2, kTeam = 2;  // warpgroups: what follows products needs many threads
inline constexpr int kTileRows = 64;
inline constexpr int kBricks =
    kTileRows / static_cast<int>(kBrickRows);  // of a tile, at some depth
inline constexpr unsigned kBrick = static_cast<unsigned>(kBrickBytes);
inline constexpr int kMostSlots = 2;

/// What of a left tile a team has room for: `slots` times `bricks` of its depth.
struct Ring {
  int bricks, slots;
};

/// A block's shared memory: its columns' bricks, the teams' slots, scales and biases, barriers.
struct Room {
  unsigned right, slot, factors;  ///< bytes of each
  Ring ring;

  [[nodiscard]] __host__ __device__ unsigned slots_at() const { return right; }
  [[nodiscard]] __host__ __device__ unsigned factors_at() const {
    return right + static_cast<unsigned>(kTeams * ring.slots) * slot;
  }
  [[nodiscard]] __host__ __device__ unsigned barriers_at() const { return factors_at() + factors; }
  [[nodiscard]] unsigned bytes() const {
    return barriers_at() + (1 + kTeams * kMostSlots) * kBarrierBytes;
  }
};

/// For so many columns; no slots: there is none.
[[nodiscard]] inline Room room_of(const Right& right, int columns) {
  const std::int64_t bricks = right.depth / kDepthUnit;
  Room room{.right = static_cast<unsigned>(columns * right.depth),
            .slot = 0,
            .factors = static_cast<unsigned>(2 * columns) * unsigned{sizeof(float)},
            .ring = {0, 0}};
  const std::int64_t bricks_of_team =
      (shared_bytes() - room.bytes()) / (kTeams * kBricks * kBrickBytes);
  if (bricks_of_team >= 2 * bricks) {
    room.ring = {static_cast<int>(bricks), 2};
  } else if (bricks_of_team >= bricks) {
    room.ring = {static_cast<int>(bricks), 1};
  } else if (bricks_of_team >= 2) {
    room.ring = {static_cast<int>(bricks_of_team / 2), 2};
  }
  room.slot = static_cast<unsigned>(room.ring.bricks * kBricks) * kBrick;
  return room;
}

}  // namespace lmgc::model::cuda
