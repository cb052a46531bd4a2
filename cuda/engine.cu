#include "cuda/engine.h"

#include <algorithm>
#include <utility>

#include "cuda/engine_state.h"

namespace convlet::cuda {

DataSet::DataSet(const Images& images, const std::int64_t* labels) : arrays_(std::make_unique<Arrays>()) {
  require("data set");
  const std::int64_t bytes = images.count * images.size * (images.bytes ? 1 : 4);
  arrays_->images = Memory<std::uint8_t>(static_cast<const std::uint8_t*>(images.data), bytes);
  if (labels) arrays_->labels = Memory<std::int64_t>(labels, images.count);
  arrays_->source = {arrays_->images.data(), images.bytes, images.size, arrays_->labels.data(), nullptr, nullptr};
  count_ = images.count;
}

DataSet::~DataSet() = default;

std::int64_t DataSet::bytes() const { return arrays_->images.count() + 8 * arrays_->labels.count(); }
std::int64_t DataSet::size() const { return arrays_->source.size; }

Engine::Engine(const Plan& plan, Fusion fusion) : state_(std::make_unique<State>(plan, fusion)) {}
Engine::~Engine() = default;

const Plan& Engine::plan() const { return state_->plan; }
std::string Engine::passes() const { return state_->passes->name(); }

void Engine::connect(const std::string& library, const std::vector<std::uint8_t>& id, int rank, int size) {
  require("engine");
  state_->nccl = std::make_unique<NcclCommunicator>(library, id, rank, size);
}

void Engine::disconnect() {
  require("engine");
  state_->forget_graphs();
  if (state_->nccl) state_->nccl->finish();
  state_->nccl.reset();
}

bool Engine::forward(const float* parameters, const Images& images, float* outputs, const Watch& watch) {
  require("engine");
  State& s = *state_;
  if (images.count == 0) return true;
  const std::int64_t batch = s.inference_batch(images.count), size = s.plan.output().image.size();
  const std::int64_t image_bytes = images.size * (images.bytes ? 1 : 4);
  s.reserve(batch, Use::Inference);
  s.grow(s.staging, batch * image_bytes);
  s.take_parameters(parameters);
  const Source source{s.staging.data(), images.bytes, images.size, nullptr, nullptr, s.origin.data()};
  Patience patience(watch);
  for (std::int64_t first = 0; first < images.count; first += batch) {
    if (patience.due() && patience.stop()) return false;
    const std::int64_t count = std::min(batch, images.count - first);
    upload(s.staging.data(), static_cast<const std::uint8_t*>(images.data) + first * image_bytes,
           static_cast<std::size_t>(count * image_bytes));
    s.graph(s.graphs, key_of(Work::Infer, 1, {count, 0, count}, source, Pixels::Plain, {}, {}), [&](Stream stream) {
       s.passes->infer(stream, source, count, s.parameters.data(), s.outputs.data());
     }).launch(stream());
    s.outputs.read(outputs + first * size, count * size);
  }
  return true;
}

void Engine::forward_on_device(const float* parameters, const Images& images, float* outputs) {
  require("engine");
  State& s = *state_;
  const std::int64_t batch = s.inference_batch(images.count), size = s.plan.output().image.size();
  if (images.count == 0) return;
  s.reserve(batch, Use::Inference);
  s.take_parameters(parameters);
  for (std::int64_t first = 0; first < images.count; first += batch) {
    const auto* data = static_cast<const std::uint8_t*>(images.data) + first * images.size * (images.bytes ? 1 : 4);
    const Source source{data, images.bytes, images.size, nullptr, nullptr, s.origin.data()};
    s.passes->infer(stream(), source, std::min(batch, images.count - first), s.parameters.data(),
                    outputs + first * size);
  }
}

bool Engine::evaluate(const float* parameters, const DataSet& data, const CrossEntropyLoss& loss, Totals& totals,
                      const Watch& watch) {
  require("engine");
  State& s = *state_;
  if (data.count() == 0) return true;
  const std::int64_t batch = s.inference_batch(data.count());
  s.reserve(batch, Use::Inference);
  s.take_parameters(parameters);
  CrossEntropyLoss on_device = s.take_loss(loss);
  on_device.reduction = Reduction::Sum;
  Source source = data.arrays().source;
  source.cursor = s.cursor.data();
  s.start();
  Patience patience(watch);
  const Totals before = totals;
  for (std::int64_t first = 0; first < data.count(); first += batch) {
    if (patience.due()) {
      synchronize();
      if (patience.stop()) return false;
    }
    const std::int64_t count = std::min(batch, data.count() - first);
    s.graph(s.graphs, key_of(Work::Evaluate, 1, {count, 0, count}, source, Pixels::Plain, on_device, {}),
            [&](Stream stream) { s.queue_evaluation(stream, source, count, on_device); })
        .launch(stream());
  }
  s.add_to(totals, before);
  totals.steps = before.steps;
  return true;
}

bool Engine::gradients(const float* parameters, const DataSet& data, const CrossEntropyLoss& loss, const Draw& draw,
                       float* gradients, Totals& totals, const Watch&) {
  require("engine");
  State& s = *state_;
  totals = {1.0, static_cast<double>(data.count()), 0.0, 0.0};
  if (data.count() == 0) {
    std::fill_n(gradients, s.plan.parameters, 0.0f);
    return true;
  }
  s.reserve(data.count(), Use::Training);
  s.take_parameters(parameters);
  const CrossEntropyLoss on_device = s.take_loss(loss);
  Source source = data.arrays().source;
  source.cursor = source.clock = s.origin.data();
  source.draw = s.draw.data();
  s.draw.write(&draw, 1);
  s.passes->gradients(stream(), source, data.count(), s.parameters.data(), s.batch_loss(on_device), s.gradients.data());
  s.gradients.read(gradients, s.plan.parameters);
  double sums[2], divisor = 1.0;
  s.sums.read(sums, 2);
  s.divisor.read(&divisor, 1);
  totals.loss_sum = loss.reduction == Reduction::Mean ? sums[0] / divisor : sums[0];
  totals.correct = sums[1];
  return true;
}

}  // namespace convlet::cuda
