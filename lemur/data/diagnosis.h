// What the data of a store can support, in words, and which keys of the configuration follow.
#pragma once

#include <string>
#include <vector>

#include "lemur/data/sample_store.h"

namespace lemur {

/// One thing that was looked at.
struct Diagnosis {
  std::string topic;    ///< a few words
  std::string finding;  ///< what is, with numbers
  std::string advice;   ///< what follows from it; empty: nothing
};

/// Looks at every event of the store once: clicks and requests of the training split, how often
/// documents and users come, what of the later splits training never saw, duplicates, the order of
/// rows within requests, empty texts, histories.
std::vector<Diagnosis> diagnose(const SampleStore& store);

}  // namespace lemur
