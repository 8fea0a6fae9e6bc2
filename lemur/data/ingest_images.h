// The images of documents: found, decoded small and written in the order of documents.
#pragma once

#include <string>
#include <vector>

#include "lemur/data/ingest_context.h"
#include "lemur/data/ingest_tables.h"

namespace lemur {

/// Enters the image fields of the configuration into the schema, in its order.
void declare_images(StoreSchema& schema, const DataOptions& options);

/// Returns the columns that hold an image field: its own, or of an object {bytes, path}, as the
/// Python library datasets writes it, the members that there are. Throws as IngestSource::column()
/// does.
std::vector<std::string> image_columns(const IngestSource& documents, const std::string& field);

/// Writes image_<i>.rows.u32 and image_<i>.rgb.u8 of every image field. An image that is missing or
/// cannot be decoded never stops it: its document has none, and the summary counts and lists it.
/// Decodes in several threads; the result does not depend on their number. Holds one chunk of
/// documents and 32 MiB of pixels at a time, beside what is being decoded. Requires: the schema
/// counts the documents.
void write_images(IngestContext& context, const IngestTables& tables);

}  // namespace lemur
