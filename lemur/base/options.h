// Every option of the configuration file, with its default, its meaning and its range.
// docs/configuration.md is generated from here.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace lemur {

/// Closed interval that a number must lie in.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};

/// The values that a string may take.
struct OneOf {
  std::vector<std::string> values;
};

// Each struct lists its keys in `visit`: visitor(key, member, meaning[, Range or OneOf]);
// `base/config.cpp` reads, checks, writes and documents them.

struct ColumnsOptions {
  std::string document = "document", user = "user", time = "time", split, request, query, weight,
              action = "action";
  std::vector<std::string> labels = {"label"};

  template <typename V>
  void visit(V&& v) {
    v("document", document,
      "Column of the document's ID (integer or string), in documents and events.");
    v("user", user, "Column of the user's ID (integer or string).");
    v("time", time,
      "Column of the time: timestamps, or a number of seconds, milliseconds, microseconds or "
      "nanoseconds since 1970 (data.time_format).");
    v("split", split,
      "Column whose values name the splits (train, valid, test); empty: [data.split] cuts by "
      "time.");
    v("labels", labels, "Columns of the labels, 0 or 1; the first is the main task.");
    v("request", request,
      "Column that groups the impressions shown together; empty: user and query and time make a "
      "request.");
    v("query", query, "Column of the query's text; empty: a feed without queries.");
    v("weight", weight, "Column of the impression's weight; empty: 1.");
    v("action", action, "Column of the action's name in the actions table.");
  }
};

struct SplitOptions {
  double valid = 0.1, test = 0.1;

  template <typename V>
  void visit(V&& v) {
    v("valid", valid, "Share of the events, before the test's, that make the split 'valid'.",
      Range{0, 0.9});
    v("test", test, "Share of the events, the last ones, that make the split 'test'.",
      Range{0, 0.9});
  }
};

struct TextFieldOptions {
  std::string column;
  int64_t max_tokens = 32;

  template <typename V>
  void visit(V&& v) {
    v("column", column, "Column of documents that holds the text.");
    v("max_tokens", max_tokens, "Tokens kept, from the front.", Range{1, 4096});
  }
};

struct ImageFieldOptions {
  std::string column;
  int64_t pixels = 64;
  double max_megapixels = 25;

  template <typename V>
  void visit(V&& v) {
    v("column", column,
      "Column of documents that holds the image: a path relative to the file (to the documents "
      "file's folder), or bytes; empty: no image.");
    v("pixels", pixels, "Side of the square that the image is resized to.", Range{16, 512});
    v("max_megapixels", max_megapixels,
      "Images of more pixels are refused: the document has none, and the summary says so.",
      Range{0.001, 1000});
  }
};

/// How the CSV files of one table are written.
struct CsvOptions {
  std::string of, delimiter, quote = "\"", escape = "\"", encoding = "utf-8", null_text;
  bool decimal_comma = false;

  template <typename V>
  void visit(V&& v) {
    v("of", of, "Table whose files these are; empty: every table without an entry of its own.",
      OneOf{{"", "documents", "events", "actions", "queries"}});
    v("delimiter", delimiter,
      "One character between fields; empty: a tab in .tsv, else that one of comma, semicolon, tab "
      "and | that stands in the header line.");
    v("quote", quote,
      "One character around fields that hold delimiters or line ends; empty: none.");
    v("escape", escape,
      "One character before a quote inside of quotes: the quote itself (doubled, RFC 4180) or a "
      "backslash.");
    v("encoding", encoding,
      "Name of the encoding, such as utf-8, utf-16, latin1 or windows-1252. A byte order mark of "
      "UTF-8 or UTF-16 goes before it.");
    v("null_text", null_text, "Unquoted text that stands for no value, beside the empty field.");
    v("decimal_comma", decimal_comma, "Numbers are written with a comma, as 12,5.");
  }
};

struct FeatureOptions {
  std::string column, of, separator, kind = "category", transform = "clip";
  int64_t width = 16, admit_after = 1;
  double init_scale = 0.01, expire_days = 0, clip = 0.001;

  template <typename V>
  void visit(V&& v) {
    v("column", column, "Column of documents (of = \"document\") or events.");
    v("of", of, "What the feature describes.", OneOf{{"document", "user", "context", "cross"}});
    v("separator", separator,
      "Cuts the column's text into several values, whose blanks at the ends and empty ones are "
      "dropped; empty: one value (a list column has several by itself).");
    v("kind", kind,
      "category: embedded by an ID table; number: standardised by the training split.",
      OneOf{{"category", "number"}});
    v("transform", transform,
      "What happens to a number before it is standardised. clip: it is held between the quantiles "
      "`clip` and 1 - `clip` of the training split; signed_log: sign(x) log(1 + |x|), for prices "
      "and counts whose largest are far from the rest; none.",
      OneOf{{"clip", "signed_log", "none"}});
    v("clip", clip, "Share of the training split's numbers at either end that `clip` cuts.",
      Range{0, 0.25});
    v("width", width, "Width of the embedding of a category.", Range{1, 1024});
    v("init_scale", init_scale,
      "Standard deviation that a category's embedding begins with. Fields of few values that tell "
      "by their combinations learn faster from 0.1; IDs with many values lose by it.",
      Range{0, 100});
    v("admit_after", admit_after,
      "Samples of training, each counted once however many epochs there are, before a category "
      "gets a row of its own; until then it shares the "
      "default row.",
      Range{1, 1e9});
    v("expire_days", expire_days,
      "Days of data time without a sighting after which a row is dropped; 0: never.",
      Range{0, 36500});
  }
};

struct CounterOptions {
  std::vector<std::string> by;
  std::string label = "label";
  double window_days = 0, delay_seconds = 0, smoothing = 10;
  std::vector<std::string> splits;

  template <typename V>
  void visit(V&& v) {
    v("by", by,
      "Columns of events or documents that make the key, such as [\"user\", \"genres\"].");
    v("label", label, "Label that is counted.");
    v("window_days", window_days, "Days of the past that count; 0: all of it.", Range{0, 36500});
    v("delay_seconds", delay_seconds,
      "Seconds after which an event's label is known: requests that begin more than this later "
      "count it.",
      Range{0, 1e9});
    v("smoothing", smoothing, "Impressions' worth of the overall rate that every key starts with.",
      Range{0, 1e9});
    v("splits", splits, "Splits whose events are counted; empty: all.");
  }
};

/// Text match between the query and text fields of the document (features/text_match.h).
struct MatchOptions {
  std::string query;
  std::vector<std::string> text;
  double k1 = 1.2, b = 0.75;

  template <typename V>
  void visit(V&& v) {
    v("query", query, "Column of the query's text; empty: data.columns.query.");
    v("text", text,
      "Columns of [[data.text]] that are matched, each by itself and, of several, all together; "
      "empty: all of them.");
    v("k1", k1, "Of BM25: how much repeated words count.", Range{0, 100});
    v("b", b, "Of BM25: how much long texts are held back.", Range{0, 1});
  }
};

struct HistoryOptions {
  std::string name, where;
  int64_t length = 50;
  double delay_seconds = 0;

  template <typename V>
  void visit(V&& v) {
    v("name", name, "Name of the history.");
    v("length", length, "Most recent documents kept.", Range{1, 100000});
    v("where", where,
      "Condition over the columns of events and of actions, such as \"label = 1 and rating >= 4 or "
      "action in ('save', 'share')\"; empty: all of the user's events. Comparisons, in, is null, "
      "and, or, not; a comparison with a number reads the column as a number.");
    v("delay_seconds", delay_seconds,
      "Seconds after which an action is known: it joins the histories of requests that begin more "
      "than this later.",
      Range{0, 1e9});
  }
};

struct DataOptions {
  std::string documents, events, actions, queries, unknown_documents = "error", time_format;
  double session_minutes = 30;
  ColumnsOptions columns;
  SplitOptions split;
  std::vector<CsvOptions> csv;
  std::vector<TextFieldOptions> text;
  std::vector<ImageFieldOptions> image;
  std::vector<FeatureOptions> feature;
  std::vector<CounterOptions> counter;
  bool text_match = true, click_counters = true;
  std::vector<MatchOptions> match;
  std::vector<HistoryOptions> history;

  template <typename V>
  void visit(V&& v) {
    v("documents", documents,
      "Parquet, CSV (.gz, .zst), JSONL, a glob of them relative to this file, or \"sql: SELECT "
      "...\".");
    v("events", events, "One row per impression, likewise.");
    v("actions", actions,
      "Past actions that are no impressions (user, document, time, action), likewise; empty: "
      "none.");
    v("queries", queries,
      "Query log (user, query, time), likewise, from which ingest counts the query change rate; "
      "empty: none.");
    v("session_minutes", session_minutes,
      "Minutes without a query after which a user's next query begins a new session of the query "
      "log.",
      Range{0.1, 1e6});
    v("unknown_documents", unknown_documents,
      "Events of a document that documents lacks: stop with an error, or keep them without content "
      "and count them.",
      OneOf{{"error", "keep"}});
    v("time_format", time_format,
      "How times are written: s, ms, us or ns since 1970, or a pattern such as %Y%m%d or %d.%m.%Y "
      "%H:%M:%S (UTC). Empty: timestamps as they are, numbers by the one unit in which the whole "
      "column lies between 1990 and today.");
    v("columns", columns, "Names of the columns.");
    v("split", split, "How time cuts the splits where no column names them.");
    v("csv", csv, "How CSV files are written, where they are not as RFC 4180 says.");
    v("text", text, "Raw text fields of documents, in the order in which they enter the encoder.");
    v("image", image, "Image fields of documents.");
    v("feature", feature, "Features: IDs, categories and numbers.");
    v("counter", counter,
      "Point-in-time counts and rates, computed at ingest from earlier events only.");
    v("click_counters", click_counters,
      "Where events have a query and no [[data.counter]] is given, count the clicks of train by "
      "document and by query and document; false: no such features.");
    v("text_match", text_match,
      "Where events have a query and no [[data.match]] is given, match it with all text fields; "
      "false: no features of text match.");
    v("match", match,
      "Features that tell how the query's words match the document's text: BM25, shared words, "
      "n-grams of characters.");
    v("history", history, "Histories of the user before the event, newest first.");
  }
};

struct TokenizerOptions {
  int64_t vocabulary = 30000, min_count = 2;
  std::string vocab;
  bool lower_case = true;

  template <typename V>
  void visit(V&& v) {
    v("vocabulary", vocabulary, "Size of the vocabulary trained at ingest.", Range{300, 1000000});
    v("min_count", min_count, "Occurrences below which a word is not used to train the vocabulary.",
      Range{1, 1e9});
    v("vocab", vocab, "A vocab.txt in BERT's form to use instead of training one.");
    v("lower_case", lower_case, "Lower-case and strip accents, as BERT's uncased models do.");
  }
};

/// Sizes of a pretrained encoder; width 0: there is none.
struct BertSizes {
  int64_t vocabulary = 0, width = 0, layers = 0, heads = 0, ffn = 0, max_length = 0;
  double norm_epsilon = 1e-12;

  template <typename V>
  void visit(V&& v) {
    v("vocabulary", vocabulary, "Rows of the word embedding.", Range{0, 1e9});
    v("width", width, "Width of the layers; 0: no pretrained encoder.", Range{0, 1e6});
    v("layers", layers, "Layers taken, from the first.", Range{0, 1e6});
    v("heads", heads, "Attention heads.", Range{0, 1e6});
    v("ffn", ffn, "Width of the FFN's hidden layer.", Range{0, 1e6});
    v("max_length", max_length, "Rows of the position embedding.", Range{0, 1e9});
    v("norm_epsilon", norm_epsilon, "Of every LayerNorm.", Range{0, 1});
  }
};

struct ModelOptions {
  std::string ranker = "rankmixer", negatives = "clicked", feed_history;
  std::string text_start = "corpus", text_pooling = "weighted";
  std::string document_pretrained, query_pretrained;
  BertSizes document_bert, query_bert;
  bool content = true, content_history = true, id_history = true, similarity = true;
  bool share_word_embeddings = true, stop_gradient = false, session_mask = true,
       document_mask = true;
  bool decoder_projected = false;
  int64_t representation_width = 128, encoder_width = 128, query_layers = 0, document_layers = 0,
          encoder_heads = 4, encoder_ffn_factor = 4, patch_pixels = 16;
  int64_t decoder_layers = 2, decoder_heads = 1, similarity_length = 64;
  int64_t query_max_tokens = 16, feed_documents = 5;
  int64_t tokens = 16, token_width = 128, ranker_layers = 2, ranker_ffn_factor = 4;
  std::vector<int64_t> mlp_widths = {512, 256, 128};
  double encoder_dropout = 0, embedding_dropout = 0.1, ranker_dropout = 0;
  double alignment_weight = 1, temperature = 20;
  std::vector<double> task_weights;
  std::vector<std::string> without_features, without_content_histories;
  double content_id_weight = 0, expert_penalty = 1e-3;
  int64_t experts = 4;

  template <typename V>
  void visit(V&& v) {
    v("ranker", ranker, "The module that mixes the features.",
      OneOf{{"rankmixer", "rankmixer_moe", "mlp"}});
    v("content", content,
      "Encode the raw text of documents and queries; false: IDs and numbers only.");
    v("content_history", content_history,
      "Decode histories of the documents' representations (needs bank.enabled).");
    v("without_content_histories", without_content_histories,
      "Names of histories whose representations are not decoded; their IDs and their cosines are "
      "kept.");
    v("id_history", id_history,
      "Decode histories of the documents' ID embeddings (needs a category feature on the "
      "document's ID).");
    v("similarity", similarity,
      "Cosines of the target document with its histories as features (needs bank.enabled).");
    v("stop_gradient", stop_gradient,
      "Keep the ranking loss from reaching the encoders (the paper's ablation).");
    v("representation_width", representation_width, "Width r of a representation.", Range{4, 4096});
    v("encoder_width", encoder_width,
      "Width d of the encoders' layers; pretrained ones have their own.", Range{4, 4096});
    v("query_layers", query_layers,
      "Layers of the query encoder, of a pretrained one the first; 0: 2, or all of the pretrained "
      "one's.",
      Range{0, 48});
    v("document_layers", document_layers,
      "Layers of the document encoder, of a pretrained one the first; 0: 4, or all of the "
      "pretrained one's.",
      Range{0, 48});
    v("encoder_heads", encoder_heads, "Attention heads, likewise; divides encoder_width.",
      Range{1, 64});
    v("encoder_ffn_factor", encoder_ffn_factor,
      "Width of the encoder's FFN over encoder_width, likewise.", Range{1, 16});
    v("patch_pixels", patch_pixels,
      "Side of the patches that images are cut into, each a token of the document encoder; divides "
      "data.image.pixels.",
      Range{1, 512});
    v("encoder_dropout", encoder_dropout,
      "Dropout after attention and FFN of the encoders, and on their input.", Range{0, 0.9});
    v("share_word_embeddings", share_word_embeddings,
      "One table of word embeddings for both encoders.");
    v("text_start", text_start,
      "What lemur's own encoders start from. corpus: word vectors from the documents that train "
      "shows (TF-IDF, truncated SVD), residual branches begun at zero, so that the untrained "
      "encoder compares texts as latent semantic analysis does; random: everything is drawn, as "
      "with text_pooling = \"cls\" in either case.",
      OneOf{{"corpus", "random"}});
    v("text_pooling", text_pooling,
      "How an encoder makes one vector of a text's words. weighted: [CLS] begins as the mean of "
      "the words, each with a weight that is learned and begins as its inverse document "
      "frequency; cls: as published, [CLS] begins as a vector of its own.",
      OneOf{{"weighted", "cls"}});
    v("document_pretrained", document_pretrained,
      "Folder of a BERT model in Hugging Face's layout (config.json, model.safetensors, vocab.txt) "
      "that the document encoder starts from; ingest with tokenizer.vocab = its vocab.txt. Empty: "
      "lemur's own encoder, untrained.");
    v("query_pretrained", query_pretrained,
      "The same for the query encoder. Word embeddings can be shared where both start from the "
      "same folder.");
    v("document_bert", document_bert,
      "Sizes of the document encoder that `document_pretrained` names: train copies them from its "
      "config.json into the run's config.toml, so that a run does not need the folder. Not to be "
      "set.");
    v("query_bert", query_bert, "The same of `query_pretrained`. Not to be set.");
    v("alignment_weight", alignment_weight,
      "Weight lambda of the query-to-document contrastive loss (SQDC); 0: off. In feeds, where "
      "events have no query, the user's last documents take its place (feed_history).",
      Range{0, 1000});
    v("temperature", temperature, "Factor T on the cosines of SQDC.", Range{0.01, 1000});
    v("session_mask", session_mask, "Leave documents of the same request out of SQDC's negatives.");
    v("document_mask", document_mask,
      "Leave other impressions of the same document out of SQDC's negatives.");
    v("negatives", negatives,
      "SQDC's negatives: documents of clicked samples, or of all samples of the batch.",
      OneOf{{"clicked", "all"}});
    v("content_id_weight", content_id_weight,
      "Weight mu of the content-ID contrastive loss (CIC) between a document's representation and "
      "a projection of its ID embedding, at `temperature`; 0: off. Needs a category feature on the "
      "document's ID.",
      Range{0, 1000});
    v("feed_history", feed_history,
      "History whose last documents take the query's place in SQDC where there are no queries; "
      "empty: the first one.");
    v("feed_documents", feed_documents, "How many of them.", Range{1, 1000});
    v("query_max_tokens", query_max_tokens, "Tokens of a query kept, from the front.",
      Range{1, 4096});
    v("decoder_layers", decoder_layers, "Layers of the history decoder.", Range{1, 16});
    v("decoder_heads", decoder_heads, "Heads of the history decoder.", Range{1, 64});
    v("decoder_projected", decoder_projected,
      "Project the history's elements to keys and values; false: the elements themselves, as "
      "published.");
    v("similarity_length", similarity_length,
      "Cosines kept in order of recency, and as many in descending order.", Range{1, 10000});
    v("tokens", tokens, "Feature tokens T of RankMixer; divides token_width.", Range{1, 256});
    v("token_width", token_width, "Width D of a feature token.", Range{4, 8192});
    v("ranker_layers", ranker_layers, "RankMixer blocks L.", Range{1, 48});
    v("ranker_ffn_factor", ranker_ffn_factor, "Width of the per-token FFN over D.", Range{1, 16});
    v("experts", experts,
      "Experts of each token in the ranker 'rankmixer_moe', each as wide as the per-token FFN that "
      "they replace.",
      Range{1, 1024});
    v("expert_penalty", expert_penalty,
      "Weight of the l1 penalty on the gates of the router that scores: the larger, the fewer "
      "experts run.",
      Range{0, 1000});
    v("ranker_dropout", ranker_dropout, "Dropout on the ranker's input tokens and inside its FFNs.",
      Range{0, 0.9});
    v("mlp_widths", mlp_widths, "Hidden widths of the ranker 'mlp'.");
    v("embedding_dropout", embedding_dropout,
      "Probability with which a sample's whole embedding of a category feature is zeroed in "
      "training.",
      Range{0, 0.9});
    v("without_features", without_features,
      "Columns of [[data.feature]] that the model leaves out, so that a trial without them needs "
      "no ingest of its own; numbers of text match by their names, such as bm25(title), or all of "
      "them as \"text match\".");
    v("task_weights", task_weights,
      "Weights of the labels' losses; a single one is every label's; empty: 1 each. All 0: nothing "
      "but the contrastive losses is trained.");
  }
};

struct BankOptions {
  bool enabled = true, encode_clicked = true, fresh_evaluation = false, history_gradient = false,
       deferred_gradient = false, fill = false;
  double forward = 1, backward = 1, refresh_budget = 0;
  std::string refresh = "oldest";

  template <typename V>
  void visit(V&& v) {
    v("enabled", enabled,
      "Keep a memory bank of representations; false: every target is encoded and histories have "
      "IDs only.");
    v("forward", forward, "Share p of the batch's distinct documents that run the encoder.",
      Range{0, 1});
    v("backward", backward,
      "Share q of the batch's distinct documents that run the encoder's backward pass; at most "
      "forward.",
      Range{0, 1});
    v("encode_clicked", encode_clicked,
      "Encode clicked documents always, with a gradient, whatever forward and backward say: "
      "clicks are few, and SQDC learns from them alone. A step costs as much more as it holds "
      "clicks.");
    v("refresh_budget", refresh_budget,
      "Documents that are encoded forward-only beyond the targets, as a share of the targets that "
      "a step encodes; bank.refresh says which; 0: none.",
      Range{0, 100});
    v("refresh", refresh,
      "Which documents bank.refresh_budget is spent on. oldest: those of the batch's histories, "
      "that the bank lacks and then the oldest. expected: of all that training reads, those whose "
      "expected staleness times how often they are read is largest, so that documents that are "
      "seldom shown get their share.",
      OneOf{{"oldest", "expected"}});
    v("history_gradient", history_gradient,
      "Let the ranking loss reach the encoder through the histories too, by the targets that a "
      "step encodes with a gradient and that its histories show.");
    v("deferred_gradient", deferred_gradient,
      "With backward below 1, keep the gradient of a target whose representation carries none "
      "until its document is next encoded with one, and add it there: no sample's gradient is "
      "lost. Takes twice the memory of the bank's vectors, and harms where documents come seldom "
      "and encoder_learning_rate is large (docs/simulated_world.md); false: the paper's.");
    v("fill", fill,
      "End training by encoding every document of the store into the bank of the best checkpoint.");
    v("fresh_evaluation", fresh_evaluation,
      "Evaluations encode every document that they need with the encoder at hand, as where all "
      "documents are encoded before a model is published; false: they read the bank, as old as it "
      "is, and encode only what it lacks.");
  }
};

struct TrainOptions {
  int64_t epochs = 0, batch_size = 512, window = 10000000, seed = 1, warmup_steps = 100,
          threads = 0, loader_threads = 1;
  int64_t evaluate_every = 0, patience = 0, checkpoint_every = 1000, keep_checkpoints = 3,
          log_every = 50;
  int64_t max_steps = 0, micro_batch_size = 0, evaluate_batch_size = 1024, freeze_encoder_steps = 0;
  int64_t negatives_per_request = 7;
  std::string order = "requests", schedule = "constant", metric = "auto", device = "cpu",
              start_from;
  double learning_rate = 1e-3, encoder_learning_rate = 3e-4, word_learning_rate = 0,
         table_learning_rate = 0.05, weight_decay = 0.01, table_weight_decay = 0, clip_norm = 1;
  double average_decay = 0, image_crop = 0, max_skipped_share = 0.01;
  double encoder_gradient = 0, encoder_gradient_after = 0.5;
  bool image_flip = false, recompute = false, bf16 = true, cuda_graphs = false;

  /// What `epochs` = 0 and `patience` = 0 stand for; `evaluates`: valid is measured.
  int64_t most_epochs(bool evaluates) const { return epochs > 0 ? epochs : evaluates ? 30 : 3; }
  int64_t most_without_gain() const { return epochs == 0 && patience == 0 ? 3 : patience; }

  template <typename V>
  void visit(V&& v) {
    v("epochs", epochs,
      "Passes over the training split; 0: until `patience`, or 3 where that is 0, evaluations on "
      "'valid' have brought no gain, 30 at most, and 3 where nothing is evaluated.",
      Range{0, 10000});
    v("batch_size", batch_size, "Impressions per step.", Range{1, 1 << 20});
    v("micro_batch_size", micro_batch_size,
      "Impressions that pass at a time; the gradients of a step's parts are added up, SQDC's "
      "negatives are those of the whole step. Less memory; a document in several parts is drawn "
      "for the encoder in each. Not with model.encoder_dropout; 0: batch_size.",
      Range{0, 1 << 20});
    v("order", order,
      "requests: whole requests, shuffled inside windows of `window` impressions, of each the "
      "clicked and negatives_per_request of the unclicked impressions; where impressions come one "
      "by one, as many neighbours as hold a click on average stand for a request. window: all "
      "impressions, shuffled inside windows; time: all, as logged.",
      OneOf{{"requests", "window", "time"}});
    v("negatives_per_request", negatives_per_request,
      "Unclicked impressions of a request that a step of order = \"requests\" takes, drawn anew in "
      "every epoch; the loss of the first label is corrected by their share (the log odds are "
      "shifted), those of others by weights. 0: all of them.",
      Range{0, 1e6});
    v("window", window, "Impressions of one shuffle window.", Range{1, 1e9});
    v("seed", seed, "Seed of everything that is drawn.", Range{0, 9e15});
    v("max_steps", max_steps, "Stop after this many steps; 0: epochs decide.", Range{0, 1e12});
    v("learning_rate", learning_rate, "Of AdamW, for dense parameters.", Range{0, 10});
    v("encoder_learning_rate", encoder_learning_rate,
      "Of AdamW, for the encoders; 0: learning_rate.", Range{0, 10});
    v("word_learning_rate", word_learning_rate,
      "Of AdamW, for the encoders' word embeddings; 0: encoder_learning_rate. Words that are seen "
      "rarely gain from a larger one, most of all with bank.backward far below 1.",
      Range{0, 10});
    v("encoder_gradient", encoder_gradient,
      "Share of the ranking loss's gradient that reaches the encoders where events have queries; "
      "0: "
      "contrastive losses alone train them, where there are any. In feeds always all of it.",
      Range{0, 1});
    v("encoder_gradient_after", encoder_gradient_after,
      "Share of the steps, from the first, in which it is 0 nevertheless: the ranking loss "
      "flattens "
      "young encoders.",
      Range{0, 1});
    v("start_from", start_from,
      "Folder of a run on a store of the same schema whose encoders and bank, those of its best "
      "checkpoint, this run starts from; everything else starts anew. Empty: none.");
    v("freeze_encoder_steps", freeze_encoder_steps,
      "Steps from the first in which encoders of `start_from` stay as they are, or pretrained ones "
      "but for the projection to representation_width; -1: all steps. Frozen encoders run no "
      "backward pass.",
      Range{-1, 1e12});
    v("table_learning_rate", table_learning_rate, "Of row-wise Adagrad, for ID tables.",
      Range{0, 100});
    v("weight_decay", weight_decay, "Of AdamW, decoupled.", Range{0, 10});
    v("table_weight_decay", table_weight_decay, "Decoupled decay of touched table rows.",
      Range{0, 10});
    v("clip_norm", clip_norm, "Largest global norm of the dense gradient; 0: no clipping.",
      Range{0, 1e9});
    v("warmup_steps", warmup_steps, "Steps over which the learning rates rise linearly.",
      Range{0, 1e9});
    v("schedule", schedule,
      "Of the learning rates after warm-up: constant, or cosine to zero at the last step, which "
      "needs epochs or max_steps.",
      OneOf{{"constant", "cosine"}});
    v("average_decay", average_decay,
      "Evaluate and publish an exponential moving average of the weights and of the tables' rows "
      "with this decay per step; 0: off.",
      Range{0, 0.99999});
    v("max_skipped_share", max_skipped_share,
      "A step whose loss or gradient is no finite number changes nothing; its rows go to "
      "quarantine.jsonl of the run. Training stops where more than this share of the steps is "
      "skipped.",
      Range{0, 1});
    v("image_flip", image_flip, "Mirror images at random in training, every other time.");
    v("image_crop", image_crop,
      "Largest share of an image's side that is cut off at random in training; 0: none.",
      Range{0, 0.9});
    v("recompute", recompute,
      "Keep of the encoders only what enters each block and compute the rest again for the "
      "gradients: the same result with less memory and more time. Not with encoder_dropout.");
    v("evaluate_every", evaluate_every,
      "Steps between evaluations on 'valid'; 0: at the end of each epoch.", Range{0, 1e12});
    v("evaluate_batch_size", evaluate_batch_size, "Impressions per batch of an evaluation.",
      Range{1, 1 << 20});
    v("metric", metric,
      "Metric on 'valid' that decides which checkpoint is the best; auto: qauc where requests have "
      "both labels, else auc; alignment: the SQDC loss; none: nothing is evaluated, and the last "
      "one counts.",
      OneOf{{"auto", "auc", "qauc", "uauc", "log_loss", "alignment", "none"}});
    v("patience", patience,
      "Evaluations after warm-up without improvement after which training stops; 0: never, or 3 "
      "where epochs is 0.",
      Range{0, 1e6});
    v("checkpoint_every", checkpoint_every,
      "Steps between checkpoints (one more at the end and after each evaluation).", Range{1, 1e12});
    v("keep_checkpoints", keep_checkpoints, "Newest checkpoints kept, beside the best.",
      Range{1, 1e6});
    v("log_every", log_every, "Steps between lines of metrics.jsonl.", Range{1, 1e9});
    v("device", device,
      "Where encoders and ranker run: cpu, or cuda where lemur was built with it and a GPU is at "
      "hand (docs/gpu.md). A run can go on on the other one.",
      OneOf{{"cpu", "cuda"}});
    v("bf16", bf16,
      "On cuda: matrix products and attention of the forward pass in bfloat16; false: float32. "
      "Weights, losses and optimiser are float32 in either case. No effect on the cpu.");
    v("cuda_graphs", cuda_graphs,
      "On cuda: replay recorded launches of the document encoder, one recording for each size of a "
      "geometric series. Only with model.text_pooling = \"cls\", and not with images, "
      "encoder_dropout or pretrained encoders.");
    v("threads", threads, "Threads that compute; 0: all cores.", Range{0, 4096});
    v("loader_threads", loader_threads,
      "Threads that make batches; the batches do not depend on it.", Range{1, 256});
  }
};

/// The whole configuration file.
struct Options {
  DataOptions data;
  TokenizerOptions tokenizer;
  ModelOptions model;
  BankOptions bank;
  TrainOptions train;

  template <typename V>
  void visit(V&& v) {
    v("data", data, "What ingest reads.");
    v("tokenizer", tokenizer, "The WordPiece vocabulary.");
    v("model", model, "The model.");
    v("bank", bank, "The memory bank.");
    v("train", train, "The training run.");
  }
};

}  // namespace lemur
