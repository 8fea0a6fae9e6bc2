// What an untrained model starts from: the rates of labels, and the words of the store's own
// documents, by latent semantic analysis (model.md 2).
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "lemur/data/sample_store.h"
#include "lemur/model/model_state.h"
#include "lemur/model/ranking_model.h"

namespace lemur {

/// Vectors and weights of the words of a vocabulary of V, from the documents that training shows.
struct CorpusWords {
  torch::Tensor vectors;  ///< float [V, width]: V sqrt(S) of the truncated SVD of TF-IDF, columns
                          ///< by falling singular value; zeros for words of no document and
                          ///< behind the matrix' rank
  torch::Tensor importance;  ///< float [V]: inverse document frequency, 0 for words of no document
  int64_t documents = 0;     ///< that were read
};

/// Computes them from at most `most_documents` documents of the training split, evenly chosen. A
/// document is a row of (1 + log(count)) log((N + 1) / (documents with the word + 1)), of length 1.
/// The SVD is that of Halko, Martinsson and Tropp (2011), by iterating a subspace of the words;
/// `seed` draws its start. The result does not depend on the number of threads.
CorpusWords corpus_words(const SampleStore& store, int64_t width, uint64_t seed,
                         int64_t most_documents = 500000);

/// Lets lemur's own encoders of an untrained model start from them. Returns the number of documents
/// that were read; 0 where there is no such encoder.
int64_t start_from_corpus(const SampleStore& store, uint64_t seed, RankingModelImpl& model);

/// Gives an untrained model what the store tells without any training: the rates of the labels, and
/// with model.text_start = "corpus" the words, unless it starts from another run. Returns the
/// number of documents that were read.
int64_t start_from_data(const SampleStore& store, ModelState& state);

}  // namespace lemur
