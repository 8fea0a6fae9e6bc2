#include "lemur/train/training_state.h"

#include <torch/torch.h>

#include <nlohmann/json.hpp>

#include "lemur/data/run_folder.h"
#include "lemur/model/tensor_file.h"

namespace lemur {
namespace {

constexpr const char* kOptimizerFile = "optimizer.safetensors";
constexpr const char* kGradientsFile = "gradients.rows";

NamedTensors optimizer_tensors(const DenseOptimizer& optimizer, const torch::Tensor& generator) {
  NamedTensors tensors = optimizer.state();
  tensors.emplace_back("generator", generator);
  return tensors;
}

nlohmann::json flops_to_json(const Flops& flops) {
  nlohmann::json json;
  for (size_t part = 0; part < kNumFlopParts; ++part) json[kFlopPartNames[part]] = flops[part];
  return json;
}

nlohmann::json to_json(const TrainingState& state, const DenseOptimizer& optimizer) {
  return {{"format", "lemur checkpoint"},
          {"version", kCheckpointVersion},
          {"step", state.step},
          {"epoch", state.position.epoch},
          {"batch", state.position.batch},
          {"best", state.best ? nlohmann::json(*state.best) : nlohmann::json()},
          {"best_step", state.best_step},
          {"evaluations_without_gain", state.evaluations_without_gain},
          {"flops", flops_to_json(state.flops)},
          {"skipped", state.skipped},
          {"evaluation_due", state.evaluation_due},
          {"finished", state.finished},
          {"bank_filled", state.bank_filled},
          {"optimizer_steps", optimizer.num_steps()}};
}

}  // namespace

void save_checkpoint(const std::filesystem::path& folder, const TrainingState& state,
                     ModelState& model, DenseOptimizer& optimizer) {
  FolderWriter writer(folder);
  save_tensors(writer.file(kOptimizerFile),
               optimizer_tensors(optimizer, at::detail::getDefaultCPUGenerator().get_state()));
  optimizer.swap_average();
  model.save(writer);
  optimizer.swap_average();
  if (!model.pending_gradients.empty()) model.pending_gradients.save(writer.file(kGradientsFile));
  writer.publish(to_json(state, optimizer));
}

TrainingState load_checkpoint(const std::filesystem::path& folder, ModelState& model,
                              DenseOptimizer& optimizer) {
  const nlohmann::json manifest = open_checkpoint(folder, /*verify=*/true);
  model.load(folder);
  torch::Tensor generator = at::detail::getDefaultCPUGenerator().get_state();
  // The live weights of the optimiser's file replace those of the model's.
  load_tensors(folder / kOptimizerFile, optimizer_tensors(optimizer, generator));
  model.pending_gradients = PendingGradients(model.pending_gradients.width());
  if (std::filesystem::exists(folder / kGradientsFile))
    model.pending_gradients.load(folder / kGradientsFile);
  torch::Generator default_generator = at::detail::getDefaultCPUGenerator();
  default_generator.set_state(generator);
  optimizer.set_num_steps(manifest.at("optimizer_steps"));

  TrainingState state;
  state.step = manifest.at("step");
  state.position = {manifest.at("epoch"), manifest.at("batch")};
  if (!manifest.at("best").is_null()) state.best = manifest.at("best").get<double>();
  state.best_step = manifest.at("best_step");
  state.evaluations_without_gain = manifest.at("evaluations_without_gain");
  for (size_t part = 0; manifest.contains("flops") && part < kNumFlopParts; ++part)
    state.flops[part] = manifest["flops"].value(kFlopPartNames[part], int64_t{0});
  state.skipped = manifest.value("skipped", int64_t{0});
  state.evaluation_due = manifest.value("evaluation_due", false);
  state.finished = manifest.at("finished");
  state.bank_filled = manifest.value("bank_filled", false);
  return state;
}

}  // namespace lemur
