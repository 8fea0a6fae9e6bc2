#include "lemur/model/corpus_start.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "lemur/base/error.h"
#include "lemur/base/hash.h"
#include "lemur/features/text_match.h"

namespace lemur {
namespace {

constexpr int64_t kOversampling = 8, kIterations = 4;

/// Returns the share of positives of each label in the training split, weighted.
std::vector<double> label_rates(const SampleStore& store) {
  const StoreSchema::Split& split = store.schema().split("train");
  std::vector<double> rates;
  for (size_t label = 0; label < store.schema().labels.size(); ++label) {
    double positives = 0, all = 0;
    for (uint64_t event = split.begin; event < split.end; ++event) {
      const double weight = store.weights()[event];
      all += weight;
      positives += store.labels(label)[event] != 0 ? weight : 0;
    }
    rates.push_back(all > 0 ? positives / all : 0.5);
  }
  return rates;
}

/// Rows of TF-IDF, one behind the other.
struct SparseRows {
  std::vector<uint64_t> offsets = {0};
  std::vector<int32_t> words;
  std::vector<float> values;

  size_t size() const { return offsets.size() - 1; }
};

/// Returns the documents that the training split shows, ascending, at most `most` of them.
std::vector<uint32_t> documents_of_train(const SampleStore& store, int64_t most) {
  const StoreSchema::Split& split = store.schema().split("train");
  std::vector<bool> shown(store.schema().num_documents);
  for (uint64_t event = split.begin; event < split.end; ++event)
    shown[store.documents()[event]] = true;
  std::vector<uint32_t> all;
  for (uint32_t document = 0; document < shown.size(); ++document)
    if (shown[document]) all.push_back(document);
  const size_t count = std::min(all.size(), static_cast<size_t>(most));
  for (size_t i = 0; i < count; ++i) all[i] = all[i * all.size() / count];
  all.resize(count);
  return all;
}

/// Counts the words of the documents; values are counts at first.
SparseRows count_words(const SampleStore& store, const std::vector<uint32_t>& documents) {
  const size_t fields = store.schema().text.size();
  SparseRows rows;
  std::vector<int32_t> words;
  for (uint32_t document : documents) {
    words.clear();
    for (size_t field = 0; field < fields; ++field) {
      const auto tokens = store.document_tokens(document, field);
      words.insert(words.end(), tokens.begin(), tokens.end());
    }
    std::sort(words.begin(), words.end());
    for (size_t i = 0; i < words.size();) {
      const size_t begin = i;
      while (i < words.size() && words[i] == words[begin]) ++i;
      rows.words.push_back(words[begin]);
      rows.values.push_back(static_cast<float>(i - begin));
    }
    rows.offsets.push_back(rows.words.size());
  }
  return rows;
}

/// Makes TF-IDF of counts; returns the inverse document frequency of each word.
std::vector<float> weigh_words(SparseRows& rows, size_t vocabulary, const WordPieces& pieces) {
  std::vector<float> importance(vocabulary);
  for (int32_t word : rows.words) {
    if (word < 0 || word >= std::ssize(importance))
      fail<DataError>("model", "a document has word piece {}; the vocabulary has {}", word,
                      importance.size());
    importance[static_cast<size_t>(word)] += 1;
  }
  const double documents = static_cast<double>(rows.size());
  for (float& value : importance)
    if (value > 0) value = static_cast<float>(std::log((documents + 1) / (value + 1.0)));
  for (size_t piece = 0; piece < vocabulary; ++piece)
    if (pieces.is_unknown(static_cast<int32_t>(piece))) importance[piece] = 0;
  for (size_t row = 0; row < rows.size(); ++row) {
    double squares = 0;
    for (uint64_t i = rows.offsets[row]; i < rows.offsets[row + 1]; ++i) {
      float& value = rows.values[i];
      value = (1 + std::log(value)) * importance[static_cast<size_t>(rows.words[i])];
      squares += value * value;
    }
    const auto scale = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
    for (uint64_t i = rows.offsets[row]; i < rows.offsets[row + 1]; ++i) rows.values[i] *= scale;
  }
  return importance;
}

constexpr int64_t kSlice = 16;  // columns that pass at a time: those of all words fit the cache

/// Returns A^T A x of the rows A [n, V] and x [V, slices of 16]; every thread has columns of its
/// own.
torch::Tensor gram_product(const SparseRows& rows, const torch::Tensor& x) {
  const int64_t words = x.size(0), slices = x.size(1) / kSlice;
  const torch::Tensor from = x.view({words, slices, kSlice}).transpose(0, 1).contiguous();
  torch::Tensor to = torch::zeros_like(from);
  at::parallel_for(0, slices, 1, [&](int64_t begin, int64_t end) {
    using Sums = std::array<float, kSlice>;
    for (int64_t slice = begin; slice < end; ++slice) {
      const float* source = from.data_ptr<float>() + slice * words * kSlice;
      float* target = to.data_ptr<float>() + slice * words * kSlice;
      for (size_t row = 0; row < rows.size(); ++row) {
        Sums sums{};
        for (uint64_t i = rows.offsets[row]; i < rows.offsets[row + 1]; ++i)
          for (int64_t c = 0; c < kSlice; ++c)
            sums[static_cast<size_t>(c)] += rows.values[i] * source[rows.words[i] * kSlice + c];
        for (uint64_t i = rows.offsets[row]; i < rows.offsets[row + 1]; ++i)
          for (int64_t c = 0; c < kSlice; ++c)
            target[rows.words[i] * kSlice + c] += rows.values[i] * sums[static_cast<size_t>(c)];
      }
    }
  });
  return to.transpose(0, 1).reshape({words, slices * kSlice});
}

/// While it lives, LibTorch's decompositions run on one thread: their bits depend on the number.
class OneThread {
 public:
  OneThread() : before_(at::get_num_threads()) { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

torch::Tensor orthonormal(const torch::Tensor& x) {
  const OneThread one;
  return std::get<0>(torch::linalg_qr(x));
}

}  // namespace

CorpusWords corpus_words(const SampleStore& store, int64_t width, uint64_t seed,
                         int64_t most_documents) {
  const torch::NoGradGuard no_gradient;
  const int64_t vocabulary = store.schema().vocabulary_size;
  const std::vector<uint32_t> documents = documents_of_train(store, most_documents);
  SparseRows rows = count_words(store, documents);
  const std::vector<float> importance = weigh_words(
      rows, static_cast<size_t>(vocabulary), WordPieces(read_pieces(store.vocabulary_path())));

  const int64_t rank = std::min({width, vocabulary, std::ssize(documents)});
  CorpusWords result{torch::zeros({vocabulary, width}), torch::tensor(importance),
                     std::ssize(documents)};
  if (rank == 0) return result;
  const int64_t columns = (rank + kOversampling + kSlice - 1) / kSlice * kSlice;
  // Rows behind the vocabulary make room for a basis where words are few; no document reads them.
  torch::Tensor basis = torch::empty({std::max(vocabulary, columns), columns});
  for (int64_t i = 0; i < basis.numel(); ++i)
    basis.data_ptr<float>()[i] =
        static_cast<float>(hash_uniform(seed, 3, static_cast<uint64_t>(i)) - 0.5);
  for (int64_t i = 0; i < kIterations; ++i) basis = orthonormal(gram_product(rows, basis));

  const torch::Tensor image = gram_product(rows, basis);
  const OneThread one;
  const auto [squares, turns] = torch::linalg_eigh(torch::mm(basis.t(), image));  // ascending
  const torch::Tensor largest = squares.flip(0).slice(0, 0, rank).clamp_min(0);
  const torch::Tensor vectors =
      torch::mm(basis.slice(0, 0, vocabulary), turns.flip(1).slice(1, 0, rank));
  result.vectors.slice(1, 0, rank).copy_(vectors * largest.pow(0.25));
  return result;
}

int64_t start_from_corpus(const SampleStore& store, uint64_t seed, RankingModelImpl& model) {
  std::vector<Encoder> encoders;
  for (const Encoder& encoder : {model.document_encoder(), model.query_encoder()})
    if (!encoder.is_empty() && encoder->options().pools_words) encoders.push_back(encoder);
  if (encoders.empty()) return 0;
  const CorpusWords words = corpus_words(store, model.options().encoder_width, seed);
  if (words.documents == 0) return 0;
  for (Encoder& encoder : encoders) encoder->start_from_words(words.vectors, words.importance);
  return words.documents;
}

int64_t start_from_data(const SampleStore& store, ModelState& state) {
  state.model->start_from_rates(label_rates(store));
  if (state.options.model.text_start != "corpus" || !state.options.train.start_from.empty())
    return 0;
  return start_from_corpus(store, static_cast<uint64_t>(state.options.train.seed), *state.model);
}

}  // namespace lemur
