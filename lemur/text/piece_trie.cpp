#include "lemur/text/piece_trie.h"

#include <algorithm>
#include <bit>

namespace lemur {
namespace {

constexpr std::string_view kContinuation = "##";

/// Returns the number of edges of a trie over the strings.
size_t count_edges(const std::vector<std::string>& pieces) {
  std::vector<std::string_view> sorted(pieces.begin(), pieces.end());
  sorted.push_back(kContinuation);
  std::sort(sorted.begin(), sorted.end());
  size_t count = 0;
  std::string_view previous;
  for (std::string_view piece : sorted) {
    auto shared = std::mismatch(piece.begin(), piece.end(), previous.begin(), previous.end());
    count += static_cast<size_t>(piece.end() - shared.first);
    previous = piece;
  }
  return count;
}

uint64_t edge_key(uint32_t node, char byte) {
  return uint64_t{node} << 8 | static_cast<unsigned char>(byte);
}

}  // namespace

PieceTrie::PieceTrie(const std::vector<std::string>& pieces)
    : edges_(std::bit_ceil(2 * count_edges(pieces)), Edge{0, 0, -1}),
      shift_(64 - std::countr_zero(edges_.size())) {
  uint32_t nodes = 1;
  auto insert = [&](std::string_view piece, int32_t id) {
    uint32_t node = kRoot;
    Edge* edge = nullptr;
    for (char c : piece) {
      edge = &edges_[slot(edge_key(node, c))];
      if (edge->child == 0) *edge = {edge_key(node, c), nodes++, -1};
      node = edge->child;
    }
    if (id >= 0) edge->id = id;
    return node;
  };
  continuation_root_ = insert(kContinuation, -1);
  for (size_t i = 0; i < pieces.size(); ++i) insert(pieces[i], static_cast<int32_t>(i));
}

size_t PieceTrie::slot(uint64_t key) const {
  size_t i = (key * 0x9e3779b97f4a7c15ULL) >> shift_;
  while (edges_[i].child != 0 && edges_[i].key != key) i = (i + 1) & (edges_.size() - 1);
  return i;
}

PieceTrie::Match PieceTrie::longest(std::string_view text, bool continuation) const {
  Match match;
  uint32_t node = continuation ? continuation_root_ : kRoot;
  for (size_t i = 0; i < text.size(); ++i) {
    const Edge& edge = edges_[slot(edge_key(node, text[i]))];
    if (edge.child == 0) break;
    if (edge.id >= 0) match = {edge.id, i + 1};
    node = edge.child;
  }
  return match;
}

}  // namespace lemur
