#include "cuda/engine.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <list>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "cuda/graph.h"
#include "cuda/memory.h"
#include "cuda/ops.h"
#include "cuda/passes.h"

namespace convlet::cuda {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kUnrolled = 16;       // steps of one graph; at 30 us a step, half a millisecond between two launches
constexpr std::size_t kGraphs = 8;  // that an engine keeps

// What a recorded graph has written into it, apart from the engine's own memory.
using Key = std::tuple<int, int, std::int64_t, const void*, bool, const void*, bool,  // source
                       const float*, std::int64_t, float, Reduction,                  // loss
                       OptimizerKind, double, double, double, bool, double, double, double, WeightDecay>;

enum class Work { Infer, Evaluate, Train };

enum class Pixels { Plain, Augmented };

Key key_of(Work work, int steps, std::int64_t count, const Source& s, Pixels pixels, const CrossEntropyLoss& l,
           const Optimizer& o) {
  return {static_cast<int>(work),
          steps,
          count,
          s.images,
          s.bytes,
          s.labels,
          pixels == Pixels::Augmented,
          l.weight,
          l.ignore_index,
          l.label_smoothing,
          l.reduction,
          o.kind,
          o.momentum,
          o.dampening,
          o.weight_decay,
          o.nesterov,
          o.beta1,
          o.beta2,
          o.eps,
          o.decay};
}

// Asks a watch every 20 ms or so.
class Patience {
 public:
  explicit Patience(const Watch& watch) : watch_(watch) {}
  bool due() const { return watch_ && Clock::now() - asked_ >= std::chrono::milliseconds(20); }
  bool stop() {
    asked_ = Clock::now();
    return watch_(At::Tile) || watch_(At::Step);
  }

 private:
  const Watch& watch_;
  Clock::time_point asked_ = Clock::now();
};

}  // namespace

struct DataSet::Arrays {
  Memory<std::uint8_t> images;
  Memory<std::int64_t> labels;
  Source source;
};

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

struct Engine::State {
  State(const Plan& p, Fusion fusion) : plan(p) {
    require("engine");
    if (fusion == Fusion::Allowed) passes = lenet_passes(plan, info().shared_bytes);
    if (!passes) passes = layer_passes(plan);
    const Cursor zero;
    origin.write(&zero, 1);
    for (const Stage& stage : plan.stages) values_of_image += 2 * stage.out.image.size();
    values_of_image += plan.input().image.size();
  }

  // Memory for batches of so many images. What was recorded with other memory is forgotten.
  void reserve(std::int64_t batch, Use use) {
    if (batch <= reserved && (use == Use::Inference || trains)) return;
    forget_graphs();
    reserved = std::max(reserved, batch);
    trains = trains || use == Use::Training;
    passes->reserve(reserved, trains ? Use::Training : Use::Inference);
    losses = Memory<float>(reserved);
    targets = Memory<std::int64_t>(reserved);
    outputs = Memory<float>(reserved * plan.output().image.size());
    if (trains) grow(gradients, plan.parameters);
  }

  // Makes room in memory that graphs have written into them.
  template <class T>
  void grow(Memory<T>& memory, std::int64_t count) {
    if (memory.count() >= count) return;
    forget_graphs();
    memory = Memory<T>(count);
  }

  void forget_graphs() {
    synchronize();
    graphs.clear();
  }

  // The device's copy of the parameters; uploaded if the host's differ from what was last uploaded.
  void take_parameters(const float* host) {
    const auto count = static_cast<std::size_t>(plan.parameters);
    grow(parameters, plan.parameters);
    if (known.size() == count && std::memcmp(known.data(), host, count * sizeof(float)) == 0) return;
    known.clear();
    parameters.write(host, plan.parameters);
    known.assign(host, host + count);
  }

  // The loss with its class weights on the device.
  CrossEntropyLoss take_loss(const CrossEntropyLoss& loss) {
    CrossEntropyLoss on_device = loss;
    if (loss.weight) {
      grow(class_weights, loss.classes);
      class_weights.write(loss.weight, loss.classes);
      on_device.weight = class_weights.data();
    }
    return on_device;
  }

  BatchLoss batch_loss(const CrossEntropyLoss& loss) const {
    return {loss, losses.data(), targets.data(), divisor.data(), sums.data()};
  }

  void start() {
    const Cursor zero;
    const DeviceTotals none;
    cursor.write(&zero, 1);
    totals.write(&none, 1);
  }

  void add_to(Totals& all, const Totals& before) const {
    DeviceTotals done;
    totals.read(&done, 1);
    all = {before.steps + done.steps, before.images + done.images, before.loss_sum + done.loss_sum,
           before.correct + done.correct};
  }

  // The recorded graph for a key; records queue(stream) if there is none.
  template <class Queue>
  const Graph& graph(const Key& key, Queue&& queue) {
    for (auto at = graphs.begin(); at != graphs.end(); ++at) {
      if (at->first != key) continue;
      graphs.splice(graphs.begin(), graphs, at);
      return at->second;
    }
    graphs.emplace_front(key, Graph(recorder.get(), queue));
    if (graphs.size() > kGraphs) graphs.pop_back();
    return graphs.front().second;
  }

  void queue_evaluation(Stream stream, const Source& source, std::int64_t count, const CrossEntropyLoss& loss) {
    const LossBuffers buffers{losses.data(), nullptr, divisor.data(), sums.data()};
    passes->infer(stream, source, count, parameters.data(), outputs.data());
    gather(stream, source, count, nullptr, targets.data());
    cross_entropy(stream, loss, {count, plan.output().image.channels, 1}, outputs.data(), targets.data(), buffers);
    finish_step(stream, cursor.data(), count, Reduction::Sum, divisor.data(), sums.data(), totals.data());
  }

  // The batch as a set of its own.
  Source queue_augmentation(Stream stream, const Source& source, std::int64_t count) {
    augment(stream, source, count, plan.input().image, augmentation.data(), augmented.data(), chosen.data());
    return {augmented.data(), false, source.size, chosen.data(), nullptr, origin.data(), source.draw, source.clock};
  }

  void queue_step(Stream stream, const Source& data, std::int64_t count, Pixels pixels, const CrossEntropyLoss& loss,
                  const Optimizer& optimizer) {
    begin_step(bookkeeping.fork(stream), cursor.data(), rates.data(), now.data());
    const Source source = pixels == Pixels::Augmented ? queue_augmentation(stream, data, count) : data;
    passes->gradients(stream, source, count, parameters.data(), batch_loss(loss), gradients.data());
    bookkeeping.join(stream);
    finish_step(bookkeeping.fork(stream), cursor.data(), count, loss.reduction, divisor.data(), sums.data(),
                totals.data());
    update(stream, optimizer, now.data(), gradients.data(), plan.parameters, parameters.data(), moments.data(),
           moments.data() + (optimizer.kind == OptimizerKind::Adam ? plan.parameters : 0));
    bookkeeping.join(stream);
  }

  // Images of a batch whose activations take about a gibibyte at most.
  std::int64_t inference_batch(std::int64_t count) const {
    constexpr std::int64_t kFloats = std::int64_t{1} << 28, kImages = 4096;
    return std::min(count, std::clamp<std::int64_t>(kFloats / std::max<std::int64_t>(1, values_of_image), 1, kImages));
  }

  Plan plan;
  std::unique_ptr<Passes> passes;
  std::int64_t reserved = 0, values_of_image = 0;
  bool trains = false;
  std::vector<float> known;  // the parameters on the device; empty if they are others
  Memory<float> parameters, gradients, moments, losses, outputs, class_weights;
  Memory<std::uint8_t> staging;
  Memory<std::int64_t> targets, order;
  Memory<Draw> draw{1};
  Memory<Augment> augmentation;
  Memory<float> augmented;      // images of a batch,
  Memory<std::int64_t> chosen;  // and their labels
  Memory<double> divisor{1}, sums{2};
  Memory<Cursor> cursor{1}, origin{1};
  Memory<StepRates> rates, now{1};
  Memory<DeviceTotals> totals{1};
  Branch bookkeeping;
  OwnStream recorder;
  std::list<std::pair<Key, Graph>> graphs;  // the last used first
};

Engine::Engine(const Plan& plan, Fusion fusion) : state_(std::make_unique<State>(plan, fusion)) {}
Engine::~Engine() = default;

const Plan& Engine::plan() const { return state_->plan; }
std::string Engine::passes() const { return state_->passes->name(); }

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
    s.graph(key_of(Work::Infer, 1, count, source, Pixels::Plain, {}, {}), [&](Stream stream) {
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
    s.graph(key_of(Work::Evaluate, 1, count, source, Pixels::Plain, on_device, {}), [&](Stream stream) {
       s.queue_evaluation(stream, source, count, on_device);
     }).launch(stream());
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

bool Engine::train(float* parameters, float* state, const DataSet& data, const Training& training, Totals& totals,
                   const Watch& watch) {
  require("engine");
  State& s = *state_;
  const std::int64_t batch = std::min(training.batch_size, training.count);
  if (batch == 0) return true;
  const std::int64_t full = training.count / batch, rest = training.count % batch, steps = full + (rest ? 1 : 0);
  const std::int64_t state_size = training.optimizer.state_arrays() * s.plan.parameters;

  s.reserve(batch, Use::Training);
  s.take_parameters(parameters);
  s.known.clear();  // from here on the device's are ahead
  const CrossEntropyLoss loss = s.take_loss(training.loss);
  s.grow(s.moments, state_size);
  s.moments.write(state, state_size);
  s.grow(s.order, training.count);
  s.order.write(training.order, training.count);
  std::vector<StepRates> rates;
  for (std::int64_t step = 0; step < steps; ++step) {
    rates.push_back(rates_of(training.optimizer, training.learning_rates[step], training.optimizer.step + step));
  }
  s.grow(s.rates, steps);
  s.rates.write(rates.data(), steps);
  s.start();

  Source source = data.arrays().source;
  source.order = s.order.data();
  source.cursor = source.clock = s.cursor.data();
  source.draw = s.draw.data();
  const Draw draw{training.seed, training.optimizer.step};
  s.draw.write(&draw, 1);
  const Pixels pixels = training.augment ? Pixels::Augmented : Pixels::Plain;
  if (training.augment) {
    s.grow(s.augmentation, 1);
    s.augmentation.write(training.augment, 1);
    s.grow(s.augmented, batch * source.size);
    s.grow(s.chosen, batch);
  }
  const auto launch = [&](int unrolled, std::int64_t count) {
    s.graph(key_of(Work::Train, unrolled, count, source, pixels, loss, training.optimizer), [&](Stream stream) {
       for (int i = 0; i < unrolled; ++i) s.queue_step(stream, source, count, pixels, loss, training.optimizer);
     }).launch(stream());
  };
  // Two launches wait on the device, so that it never idles and a wish to stop is heard soon: the first step is timed,
  // and long ones are launched one by one.
  const Totals before = totals;
  Patience patience(watch);
  Event launched[2];
  bool stopped = false;
  const auto first_launch = Clock::now();
  launch(1, full ? batch : rest);
  std::int64_t done = 1;
  if (steps > 1) synchronize();
  const bool brief = Clock::now() - first_launch < std::chrono::milliseconds(2);
  for (std::int64_t launches = 0; done < steps && !stopped; ++launches) {
    Event& event = launched[launches % 2];
    if (launches >= 2) event.wait();
    if (patience.due()) {
      s.add_to(totals, before);
      stopped = patience.stop();
      if (stopped) break;
    }
    const int unrolled = brief && full - done >= kUnrolled ? kUnrolled : 1;
    launch(unrolled, done < full ? batch : rest);
    event.record(stream());
    done += unrolled;
  }
  s.add_to(totals, before);
  s.parameters.read(parameters, s.plan.parameters);
  s.moments.read(state, state_size);
  s.known.assign(parameters, parameters + s.plan.parameters);
  return !stopped;
}

}  // namespace convlet::cuda
