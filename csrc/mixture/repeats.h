#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace lmgc::mixture {

/// Match model: where the same two values came before, the value that followed them is expected
/// again, the more so the longer it went on.
class Repeats {
 public:
  explicit Repeats(std::size_t lanes);

  void restart(std::size_t lane) { lanes_[lane] = {}; }
  void learn(std::size_t lane, std::uint64_t word);

  struct Expected {
    std::uint64_t word;
    std::uint32_t length;  ///< values in a row that were as expected, at most kMostLength
  };
  static constexpr std::uint32_t kMostLength = 15;
  [[nodiscard]] std::optional<Expected> expected(std::size_t lane) const;

 private:
  struct Lane {
    std::uint64_t last = 0, before = 0;
    std::uint32_t known = 0;   // values since the restart, up to 2
    std::uint32_t length = 0;  // as in Expected
  };
  struct Following {
    std::uint64_t before = 0, last = 0, word = 0;
    bool known = false;
  };

  /// Where the table has what followed a lane's last two values.
  [[nodiscard]] static std::size_t slot(const Lane& lane);

  std::vector<Lane> lanes_;
  std::vector<Following> table_;
};

}  // namespace lmgc::mixture
