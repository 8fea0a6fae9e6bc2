#include "lemur/data/ingest_features.h"

#include <limits>

namespace lemur {

FeatureColumns::FeatureColumns(IngestContext& context, const IngestTables& tables,
                               bool of_documents)
    : source_(of_documents ? tables.documents() : tables.events()) {
  const auto& options = context.options.data.feature;
  for (size_t i = 0; i < options.size(); ++i) {
    const StoreSchema::Feature& feature = context.schema.features[i];
    if ((feature.of == "document") != of_documents) continue;
    if (feature.is_number) {
      columns_.push_back({i, feature.name, false,
                          NumberFile(context.folder, i, options[i].transform, options[i].clip)});
    } else {
      context.schema.features[i].is_list = source_.is_list(feature.name);
      columns_.push_back(
          {i, feature.name, feature.is_document_id, CategoryFile(context.folder, i, feature)});
    }
  }
}

std::string FeatureColumns::sql(const std::string& alias) const {
  std::string list;
  for (const Column& column : columns_)
    list += ", " + (std::holds_alternative<NumberFile>(column.file)
                        ? source_.number_sql(column.name, alias)
                        : source_.category_sql(column.name, alias));
  return list;
}

void FeatureColumns::append(std::span<const ColumnView> view, size_t row, bool in_training) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (auto* category = std::get_if<CategoryFile>(&columns_[i].file)) {
      category->append(view[i], row);
    } else {
      double value =
          view[i].is_null(row) ? std::numeric_limits<double>::quiet_NaN() : view[i].number(row);
      std::get<NumberFile>(columns_[i].file).append(value, in_training);
    }
  }
}

void FeatureColumns::append_unknown(std::string_view id) {
  for (Column& column : columns_) {
    if (auto* category = std::get_if<CategoryFile>(&column.file)) {
      category->append(column.is_document_id ? std::vector{id} : std::vector<std::string_view>());
    } else {
      std::get<NumberFile>(column.file).append(std::numeric_limits<double>::quiet_NaN(), false);
    }
  }
}

void FeatureColumns::close(IngestContext& context) {
  for (Column& column : columns_) {
    StoreSchema::Feature& feature = context.schema.features[column.index];
    auto& note = context.summary["features"][feature.of + " " + feature.name];
    if (auto* category = std::get_if<CategoryFile>(&column.file)) {
      category->close();
      note = {{"missing", category->num_empty()}, {"empty_items", category->num_dropped()}};
    } else {
      auto& number = std::get<NumberFile>(column.file);
      number.close(feature);
      note = {{"missing", number.num_missing()},
              {"mean", feature.scale.mean},
              {"deviation", feature.scale.deviation}};
      if (feature.scale.transform == "clip")
        note.update({{"low", feature.scale.low},
                     {"high", feature.scale.high},
                     {"clipped", number.num_clipped()}});
    }
  }
}

void declare_features(IngestContext& context) {
  const DataOptions& data = context.options.data;
  for (const FeatureOptions& option : data.feature) {
    bool is_number = option.kind == "number";
    context.schema.features.push_back({.name = option.column,
                                       .of = option.of,
                                       .is_number = is_number,
                                       .is_document_id = !is_number && option.of == "document" &&
                                                         option.column == data.columns.document,
                                       .width = option.width,
                                       .admit_after = option.admit_after,
                                       .init_scale = option.init_scale,
                                       .expire_days = option.expire_days,
                                       .separator = option.separator});
  }
}

void write_document_features(IngestContext& context, const IngestTables& tables) {
  FeatureColumns features(context, tables, true);
  uint32_t document = 0;
  if (features.size() > 0)
    tables.query_documents(features.sql("d."), [&](std::span<const ColumnView> view, size_t rows) {
      for (size_t row = 0; row < rows; ++row)
        features.append(view, row, tables.is_in_training(document++));
    });
  tables.query_unknown_documents([&](std::string_view id) { features.append_unknown(id); });
  features.close(context);
}

}  // namespace lemur
