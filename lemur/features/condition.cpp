#include "lemur/features/condition.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "lemur/base/error.h"
#include "lemur/features/category.h"

namespace lemur {
namespace {

constexpr int kMaxDepth = 200;

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// Returns the number that a text holds; "true" and "false" are 1 and 0.
std::optional<double> number_of(std::string_view text) {
  text = trimmed(text);
  if (equals_ignoring_case(text, "true")) return 1;
  if (equals_ignoring_case(text, "false")) return 0;
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

/// Something to compare: a column, a text, a number, or null.
struct Operand {
  enum class Kind { kColumn, kText, kNumber, kNull };
  Kind kind = Kind::kNull;
  size_t column = 0;
  std::string text = {};
  double number = 0;
};

}  // namespace

struct Condition::Node {
  enum class Kind { kAnd, kOr, kNot, kCompare, kIn, kIsNull };
  Kind kind;
  std::string comparison = {};                             ///< = <> < <= > >=
  std::vector<std::unique_ptr<const Node>> children = {};  ///< of kAnd, kOr, kNot
  std::vector<Operand> operands = {};                      ///< what is compared; then kIn's values
};

namespace {

using Node = Condition::Node;
using NodePtr = std::unique_ptr<const Node>;

/// A value at evaluation: nothing is NULL.
struct Value {
  std::optional<std::string_view> text;
  std::optional<double> number;
  bool is_number = false;
};

Value value_of(const Operand& operand, const Condition::Lookup& lookup) {
  switch (operand.kind) {
    case Operand::Kind::kColumn: {
      const auto text = lookup(operand.column);
      return {text, text ? number_of(*text) : std::nullopt, false};
    }
    case Operand::Kind::kText:
      return {operand.text, number_of(operand.text), false};
    case Operand::Kind::kNumber:
      return {operand.text, operand.number, true};
    case Operand::Kind::kNull:
      break;
  }
  return {};
}

template <typename T>
bool compare(const T& a, const T& b, std::string_view comparison) {
  if (comparison == "=") return a == b;
  if (comparison == "<>") return a != b;
  if (comparison == "<") return a < b;
  if (comparison == "<=") return a <= b;
  if (comparison == ">") return a > b;
  return a >= b;
}

std::optional<bool> compare_values(const Value& a, const Value& b, std::string_view comparison) {
  if (!a.text || !b.text) return {};
  if (!a.is_number && !b.is_number) return compare(*a.text, *b.text, comparison);
  if (!a.number || !b.number) return {};
  return compare(*a.number, *b.number, comparison);
}

std::optional<bool> evaluate(const Node& node, const Condition::Lookup& lookup);

std::optional<bool> evaluate_all(const Node& node, const Condition::Lookup& lookup, bool decides) {
  std::optional<bool> result = !decides;
  for (const NodePtr& child : node.children) {
    const std::optional<bool> value = evaluate(*child, lookup);
    if (value == decides) return decides;
    if (!value) result.reset();
  }
  return result;
}

std::optional<bool> evaluate_in(const Node& node, const Condition::Lookup& lookup) {
  const Value value = value_of(node.operands[0], lookup);
  std::optional<bool> result = false;
  for (size_t i = 1; i < node.operands.size(); ++i) {
    const auto equal = compare_values(value, value_of(node.operands[i], lookup), "=");
    if (equal == true) return true;
    if (!equal) result.reset();
  }
  return result;
}

std::optional<bool> evaluate(const Node& node, const Condition::Lookup& lookup) {
  switch (node.kind) {
    case Node::Kind::kAnd:
      return evaluate_all(node, lookup, false);
    case Node::Kind::kOr:
      return evaluate_all(node, lookup, true);
    case Node::Kind::kNot: {
      const auto value = evaluate(*node.children[0], lookup);
      return value ? std::optional(!*value) : value;
    }
    case Node::Kind::kCompare:
      return compare_values(value_of(node.operands[0], lookup), value_of(node.operands[1], lookup),
                            node.comparison);
    case Node::Kind::kIn:
      return evaluate_in(node, lookup);
    case Node::Kind::kIsNull:
      return !value_of(node.operands[0], lookup).text;
  }
  return {};
}

/// Reads a condition by recursive descent.
class Parser {
 public:
  Parser(std::string_view text, std::vector<std::string>& columns)
      : text_(text), columns_(columns) {}

  NodePtr parse() {
    NodePtr node = read_or();
    if (skip_blanks(), place_ < text_.size()) refuse("the end");
    return node;
  }

 private:
  [[noreturn]] void refuse(std::string_view expected) const {
    const std::string_view rest = text_.substr(place_);
    fail<InvalidArgument>("condition", "\"{}\": expected {} at character {}, found {}", text_,
                          expected, place_ + 1,
                          rest.empty() ? "the end" : fmt::format("'{}'", rest));
  }

  void skip_blanks() {
    while (place_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[place_])) != 0)
      ++place_;
  }

  static bool is_word_character(char c, bool is_first) {
    const auto u = static_cast<unsigned char>(c);
    return std::isalpha(u) != 0 || c == '_' || u >= 0x80 ||
           (!is_first && (std::isdigit(u) != 0 || c == '.'));
  }

  std::string_view peek_word() {
    skip_blanks();
    size_t end = place_;
    while (end < text_.size() && is_word_character(text_[end], end == place_)) ++end;
    return text_.substr(place_, end - place_);
  }

  bool take_word(std::string_view word) {
    const std::string_view next = peek_word();
    if (!equals_ignoring_case(next, word)) return false;
    place_ += next.size();
    return true;
  }

  bool take(std::string_view sign) {
    skip_blanks();
    if (!text_.substr(place_).starts_with(sign)) return false;
    place_ += sign.size();
    return true;
  }

  void require(std::string_view sign) {
    if (!take(sign)) refuse(fmt::format("'{}'", sign));
  }

  static NodePtr join(Node::Kind kind, std::vector<NodePtr> children) {
    if (children.size() == 1) return std::move(children[0]);
    auto node = std::make_unique<Node>(Node{kind});
    node->children = std::move(children);
    return node;
  }

  NodePtr read_or() {
    std::vector<NodePtr> children;
    do children.push_back(read_and());
    while (take_word("or"));
    return join(Node::Kind::kOr, std::move(children));
  }

  NodePtr read_and() {
    std::vector<NodePtr> children;
    do children.push_back(read_not());
    while (take_word("and"));
    return join(Node::Kind::kAnd, std::move(children));
  }

  NodePtr read_not() {
    if (++depth_ > kMaxDepth) refuse(fmt::format("at most {} levels", kMaxDepth));
    NodePtr node;
    if (take_word("not")) {
      node = negated(read_not());
    } else if (take("(")) {
      node = read_or();
      require(")");
    } else {
      node = read_comparison();
    }
    --depth_;
    return node;
  }

  static NodePtr negated(NodePtr child) {
    auto node = std::make_unique<Node>(Node{Node::Kind::kNot});
    node->children.push_back(std::move(child));
    return node;
  }

  static NodePtr comparison(std::string_view sign, Operand a, Operand b) {
    auto node = std::make_unique<Node>(Node{Node::Kind::kCompare, std::string(sign)});
    node->operands = {std::move(a), std::move(b)};
    return node;
  }

  NodePtr read_comparison() {
    Operand first = read_operand();
    if (take_word("is")) {
      const bool is_not = take_word("not");
      if (!take_word("null")) refuse("null");
      auto node = std::make_unique<Node>(Node{Node::Kind::kIsNull});
      node->operands = {std::move(first)};
      return is_not ? negated(std::move(node)) : std::move(node);
    }
    const bool is_not = take_word("not");
    NodePtr node;
    if (take_word("in")) {
      node = read_in(std::move(first));
    } else if (take_word("between")) {
      node = read_between(std::move(first));
    } else if (is_not) {
      refuse("in or between");
    } else {
      node = read_sign(std::move(first));
    }
    return is_not ? negated(std::move(node)) : std::move(node);
  }

  NodePtr read_sign(Operand first) {
    constexpr std::pair<std::string_view, std::string_view> kSigns[] = {
        {"<=", "<="}, {">=", ">="}, {"<>", "<>"}, {"!=", "<>"},
        {"==", "="},  {"=", "="},   {"<", "<"},   {">", ">"}};
    for (const auto& [sign, meaning] : kSigns)
      if (take(sign)) return comparison(meaning, std::move(first), read_operand());
    refuse("a comparison (=, <>, <, <=, >, >=), in, between or is null");
  }

  NodePtr read_in(Operand first) {
    auto node = std::make_unique<Node>(Node{Node::Kind::kIn});
    node->operands.push_back(std::move(first));
    require("(");
    do node->operands.push_back(read_operand());
    while (take(","));
    require(")");
    return node;
  }

  NodePtr read_between(Operand first) {
    Operand low = read_operand();
    if (!take_word("and")) refuse("and");
    std::vector<NodePtr> children;
    children.push_back(comparison(">=", first, std::move(low)));
    children.push_back(comparison("<=", std::move(first), read_operand()));
    return join(Node::Kind::kAnd, std::move(children));
  }

  Operand read_operand() {
    skip_blanks();
    const char next = place_ < text_.size() ? text_[place_] : '\0';
    if (next == '\'') return {.kind = Operand::Kind::kText, .text = read_quoted('\'')};
    if (next == '"') return column(read_quoted('"'));
    if (next == '-' || next == '+' || next == '.' ||
        std::isdigit(static_cast<unsigned char>(next)) != 0)
      return read_number();
    const std::string_view word = peek_word();
    constexpr std::string_view kReserved[] = {"and", "or", "not", "in", "is", "between"};
    if (word.empty() || std::ranges::any_of(kReserved, [&](std::string_view reserved) {
          return equals_ignoring_case(word, reserved);
        }))
      refuse("a column or a value");
    place_ += word.size();
    if (equals_ignoring_case(word, "null")) return {};
    if (equals_ignoring_case(word, "true") || equals_ignoring_case(word, "false")) {
      const bool is_true = equals_ignoring_case(word, "true");
      return {.kind = Operand::Kind::kNumber,
              .text = is_true ? "1" : "0",
              .number = is_true ? 1.0 : 0.0};
    }
    return column(std::string(word));
  }

  std::string read_quoted(char mark) {
    const size_t begin = place_++;
    std::string content;
    for (; place_ < text_.size(); ++place_) {
      if (text_[place_] != mark) {
        content += text_[place_];
      } else if (place_ + 1 < text_.size() && text_[place_ + 1] == mark) {
        content += text_[place_++];
      } else {
        ++place_;
        return content;
      }
    }
    place_ = begin;
    refuse(fmt::format("a closing {}", mark));
  }

  Operand read_number() {
    size_t end = place_ + (text_[place_] == '+' || text_[place_] == '-');
    while (end < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[end])) != 0 || text_[end] == '.' ||
            ((text_[end] == '-' || text_[end] == '+') &&
             (text_[end - 1] == 'e' || text_[end - 1] == 'E'))))
      ++end;
    const std::string_view token = text_.substr(place_, end - place_);
    const auto number = number_of(token);
    if (!number) refuse("a number");
    place_ = end;
    return {.kind = Operand::Kind::kNumber, .text = std::string(token), .number = *number};
  }

  Operand column(const std::string& name) {
    auto known = std::ranges::find(columns_, name);
    if (known == columns_.end()) known = columns_.insert(known, name);
    return {.kind = Operand::Kind::kColumn,
            .column = static_cast<size_t>(known - columns_.begin())};
  }

  std::string_view text_;
  std::vector<std::string>& columns_;
  size_t place_ = 0;
  int depth_ = 0;
};

}  // namespace

Condition::Condition(std::string_view text) {
  if (!trimmed(text).empty()) root_ = Parser(text, columns_).parse();
}

Condition::~Condition() = default;
Condition::Condition(Condition&&) noexcept = default;
Condition& Condition::operator=(Condition&&) noexcept = default;

bool Condition::holds(const Lookup& lookup) const {
  return root_ == nullptr || evaluate(*root_, lookup) == true;
}

}  // namespace lemur
