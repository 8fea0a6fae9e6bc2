#include "lemur/data/diagnosis.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "lemur/base/hash.h"

namespace lemur {
namespace {

constexpr double kSeldom = 10;       // impressions of a document that teach its ID little
constexpr double kMuch = 0.2;        // a share that counts
constexpr double kFewClicks = 0.05;  // of the impressions
constexpr uint64_t kFewestRequests = 1000;

double share(uint64_t part, uint64_t all) {
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

std::string percent(double value) {
  return fmt::format("{:.{}f} %", 100 * value, value < 0.1 ? 2 : 1);
}

/// Returns the median; 0 of nothing.
double median(std::vector<uint32_t> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The requests of a range of events.
struct Requests {
  struct Counts {
    uint32_t impressions = 0, clicks = 0;
    bool first_is_clicked = false;
  };
  std::unordered_map<uint64_t, Counts> counts;

  Requests(const SampleStore& store, const StoreSchema::Split& split) {
    for (uint64_t event = split.begin; event < split.end; ++event) {
      Counts& request = counts[store.requests()[event]];
      const bool clicked = store.labels(0)[event] != 0;
      if (request.impressions == 0) request.first_is_clicked = clicked;
      ++request.impressions;
      request.clicks += clicked;
    }
  }
};

class Doctor {
 public:
  explicit Doctor(const SampleStore& store)
      : store_(store), train_(store.schema().split("train")), requests_(store, train_) {}

  std::vector<Diagnosis> run() {
    look_at_clicks();
    look_at_order();
    look_at_documents();
    look_at_users();
    look_at_later_splits();
    look_at_duplicates();
    look_at_texts();
    look_at_histories();
    return std::move(all_);
  }

 private:
  void add(std::string topic, std::string finding, std::string advice = "") {
    all_.push_back({std::move(topic), std::move(finding), std::move(advice)});
  }

  void look_at_clicks() {
    uint64_t clicks = 0, both = 0, several = 0;
    for (const auto& [key, request] : requests_.counts) {
      clicks += request.clicks;
      several += request.impressions > 1;
      both += request.clicks > 0 && request.clicks < request.impressions;
    }
    const uint64_t events = train_.end - train_.begin, count = requests_.counts.size();
    const double rate = share(clicks, events), per_request = share(events, count);
    add("clicks",
        fmt::format("{} of {} impressions of train have label 1 ({})", clicks, events,
                    percent(rate)),
        clicks < 1000
            ? "Too few to train encoders: start from pretrained ones (model.document_pretrained)."
        : rate < kFewClicks ? "Clicks are sparse: keep train.order = \"requests\", and choose "
                              "train.batch_size so that "
                              "a step holds at least 50 of them."
                            : "");
    add("requests",
        fmt::format("{} requests of {:.1f} impressions; {} have both labels", count, per_request,
                    percent(share(both, count))),
        share(several, count) < kMuch
            ? "Most requests are single impressions: metrics by request (QAUC, MRR) say little, "
              "look "
              "at AUC and UAUC, and name data.columns.request if the log has it."
        : both < kFewestRequests ? "Few requests tell one document from another: differences of "
                                   "QAUC below 0.01 are noise."
                                 : "");
  }

  void look_at_order() {
    uint64_t first = 0, clicks = 0, impressions = 0, count = 0;
    for (const auto& [key, request] : requests_.counts) {
      if (request.impressions < 2) continue;
      ++count;
      first += request.first_is_clicked;
      clicks += request.clicks;
      impressions += request.impressions;
    }
    if (count == 0) return;
    const double of_first = share(first, count), of_all = share(clicks, impressions);
    const bool has_bias = of_first > 1.5 * of_all && count >= 100;
    add("order of rows",
        fmt::format("the first row of a request is clicked {} of the time, any row {}",
                    percent(of_first), percent(of_all)),
        has_bias
            ? "If rows stand in the order in which they were shown, part of that is their "
              "position: give it as a context feature, and a fixed value of it when serving. If "
              "they were sorted by the label, nothing is wrong: the order is not a feature."
            : "");
  }

  void look_at_documents() {
    std::vector<uint32_t> shown(store_.schema().num_documents);
    for (uint64_t event = train_.begin; event < train_.end; ++event)
      ++shown[store_.documents()[event]];
    std::erase(shown, 0U);
    const auto seldom =
        static_cast<uint64_t>(std::ranges::count_if(shown, [](uint32_t n) { return n < kSeldom; }));
    const double part = share(seldom, shown.size());
    add("documents",
        fmt::format(
            "train shows {} of {} documents, half of them at most {:.0f} times; {} fewer than "
            "{:.0f} times",
            shown.size(), store_.schema().num_documents, median(shown), percent(part), kSeldom),
        part > 0.5
            ? "An ID teaches little here: raise admit_after of the document's ID, or leave it "
              "out (model.without_features), and let the text carry."
            : "");
  }

  void look_at_users() {
    std::vector<uint32_t> events(store_.schema().num_users);
    for (uint64_t event = train_.begin; event < train_.end; ++event)
      ++events[store_.users()[event]];
    std::erase(events, 0U);
    const double middle = median(events);
    add("users",
        fmt::format("train has {} users, half of them with at most {:.0f} impressions",
                    events.size(), middle),
        middle < kSeldom
            ? "A user's ID teaches little here: histories and counters say more than it does."
            : "");
  }

  void look_at_later_splits() {
    const StoreSchema& schema = store_.schema();
    std::vector<bool> documents(schema.num_documents), users(schema.num_users),
        queries(schema.num_queries);
    for (uint64_t event = train_.begin; event < train_.end; ++event) {
      documents[store_.documents()[event]] = users[store_.users()[event]] = true;
      if (store_.queries()[event] != kNone) queries[store_.queries()[event]] = true;
    }
    for (const StoreSchema::Split& split : schema.splits) {
      const uint64_t rows = split.end - split.begin;
      if (split.name == "train" || rows == 0) continue;
      uint64_t documents_new = 0, users_new = 0, queries_new = 0;
      for (uint64_t event = split.begin; event < split.end; ++event) {
        documents_new += !documents[store_.documents()[event]];
        users_new += !users[store_.users()[event]];
        const uint32_t query = store_.queries()[event];
        queries_new += query != kNone && !queries[query];
      }
      const double part = share(documents_new, rows);
      add("unseen in " + split.name,
          fmt::format("of its rows {} are of documents that train never shows, {} of such users{}",
                      percent(part), percent(share(users_new, rows)),
                      schema.has_queries
                          ? fmt::format(", {} of such queries", percent(share(queries_new, rows)))
                          : ""),
          part > kMuch ? "Content decides here. `evaluate` gives the slices document_seen and "
                         "user_seen: compare them."
                       : "");
    }
  }

  void look_at_duplicates() {
    std::vector<uint64_t> keys;
    for (uint64_t event = train_.begin; event < train_.end; ++event)
      keys.push_back(hash_combine(store_.requests()[event], store_.documents()[event]));
    std::ranges::sort(keys);
    const auto distinct = std::unique(keys.begin(), keys.end()) - keys.begin();
    const uint64_t twice = keys.size() - static_cast<uint64_t>(distinct);
    add("duplicates",
        fmt::format("{} rows of train show a document that their request has already ({})", twice,
                    percent(share(twice, keys.size()))),
        share(twice, keys.size()) > 0.01
            ? "Rows that were logged twice count twice: a join may have multiplied them."
            : "");
  }

  void look_at_texts() {
    const StoreSchema& schema = store_.schema();
    for (size_t field = 0; field < schema.text.size(); ++field) {
      uint64_t empty = 0, cut = 0;
      for (uint32_t document = 0; document < schema.num_documents; ++document) {
        const size_t tokens = store_.document_tokens(document, field).size();
        empty += tokens == 0;
        cut += tokens >= static_cast<size_t>(schema.text[field].max_tokens);
      }
      const double of_empty = share(empty, schema.num_documents),
                   of_cut = share(cut, schema.num_documents);
      add("text " + schema.text[field].name,
          fmt::format("{} of the documents have none, {} reach its {} tokens", percent(of_empty),
                      percent(of_cut), schema.text[field].max_tokens),
          of_empty > 0.9 ? "Almost nobody has it: leave it out."
          : of_cut > 0.5
              ? "Most are cut: a larger max_tokens of the field would show more of them, at "
                "the cost of the encoder."
              : "");
    }
  }

  void look_at_histories() {
    const StoreSchema& schema = store_.schema();
    constexpr uint64_t kMost = 100'000;  // rows looked at
    const uint64_t rows = train_.end - train_.begin, count = std::min(rows, kMost);
    for (size_t h = 0; h < schema.histories.size(); ++h) {
      std::vector<uint32_t> lengths;
      uint64_t empty = 0, full = 0;
      for (uint64_t i = 0; i < count; ++i) {
        const uint64_t event = train_.begin + i * rows / count;
        const size_t length =
            store_.history(h, store_.users()[event], store_.request_times()[event]).size();
        lengths.push_back(static_cast<uint32_t>(length));
        empty += length == 0;
        full += length >= static_cast<size_t>(schema.histories[h].length);
      }
      const double of_empty = share(empty, count), of_full = share(full, count);
      add("history " + schema.histories[h].name,
          fmt::format("{} of the rows of train have none, half at most {:.0f} documents, {} all {}",
                      percent(of_empty), median(lengths), percent(of_full),
                      schema.histories[h].length),
          of_empty > 0.9  ? "Almost nobody has one: its condition may be wrong, or users new."
          : of_full > 0.5 ? "Most are cut: a larger length costs look-ups alone (a memory bank)."
                          : "");
    }
  }

  const SampleStore& store_;
  const StoreSchema::Split& train_;
  const Requests requests_;
  std::vector<Diagnosis> all_;
};

}  // namespace

std::vector<Diagnosis> diagnose(const SampleStore& store) { return Doctor(store).run(); }

}  // namespace lemur
