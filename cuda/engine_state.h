// What the engine keeps on the device, and how it records and launches its work.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstring>
#include <list>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "convlet/team.h"
#include "convlet/tile.h"
#include "cuda/engine.h"
#include "cuda/graph.h"
#include "cuda/memory.h"
#include "cuda/nccl.h"
#include "cuda/ops.h"
#include "cuda/passes.h"
#include "cuda/runtime.h"

namespace convlet::cuda {

using Clock = std::chrono::steady_clock;

constexpr int kUnrolled = 16;       // steps of one graph; at 30 us a step, half a millisecond between two launches
constexpr std::size_t kGraphs = 8;  // that an engine keeps

// What a recorded graph has written into it, apart from the engine's own memory.
using Key = std::tuple<int, int, std::int64_t, std::int64_t, std::int64_t,  // images
                       const void*, bool, const void*, bool,                // source
                       const float*, std::int64_t, float, Reduction,        // loss
                       OptimizerKind, double, double, double, bool, double, double, double, WeightDecay>;

enum class Work { Infer, Evaluate, Train, Gradients, Update };

enum class Pixels { Plain, Augmented };

// Of the images of a batch those that this process takes: all, or its tiles.
struct Part {
  std::int64_t batch, first, count;

  static Part of(const Team* team, std::int64_t batch) {
    if (!team) return {batch, 0, batch};
    const Share share = team->share(team->rank, ceil_div(batch, kTile));
    return {batch, std::min(share.first * kTile, batch), share.images(batch)};
  }
};

inline Key key_of(Work work, int steps, const Part& part, const Source& s, Pixels pixels, const CrossEntropyLoss& l,
                  const Optimizer& o) {
  return {static_cast<int>(work),
          steps,
          part.batch,
          part.first,
          part.count,
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

// Numbers of the host that the device writes behind the host's back.
class Pinned {
 public:
  explicit Pinned(std::size_t count) {
    check("pinned memory", cudaMallocHost(&numbers_, count * sizeof(float)));
    std::fill_n(numbers_, count, 0.0f);
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() { cudaFreeHost(numbers_); }
  float* data() const { return numbers_; }

 private:
  float* numbers_ = nullptr;
};

struct DataSet::Arrays {
  Memory<std::uint8_t> images;
  Memory<std::int64_t> labels;
  Source source;
};

struct Engine::State {
  class Run;

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
    if (trains) grow(gradients, plan.parameters + kFigures);
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
    joint_graphs.clear();
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

  BatchLoss batch_loss(const CrossEntropyLoss& loss, Divisor divide = Divisor::OfTargets) const {
    return {loss, losses.data(), targets.data(), divisor.data(), sums.data(), divide};
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

  using Graphs = std::list<std::pair<Key, Graph>>;  // the last used first

  // The recorded graph for a key; records queue(stream) if there is none.
  template <class Queue>
  const Graph& graph(Graphs& all, const Key& key, Queue&& queue) {
    for (auto at = all.begin(); at != all.end(); ++at) {
      if (at->first != key) continue;
      all.splice(all.begin(), all, at);
      return at->second;
    }
    all.emplace_front(key, Graph(recorder.get(), queue));
    if (all.size() > kGraphs) all.pop_back();
    return all.front().second;
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
    return {augmented.data(), false,        source.size, chosen.data(),     nullptr, origin.data(),
            source.draw,      source.clock, 0,           source.drawn_first};
  }

  void queue_gradients(Stream stream, const Source& data, const Part& part, Pixels pixels, const CrossEntropyLoss& loss,
                       Divisor divide) {
    begin_step(bookkeeping.fork(stream), cursor.data(), rates.data(), now.data());
    const Source source = pixels == Pixels::Augmented ? queue_augmentation(stream, data, part.count) : data;
    passes->gradients(stream, source, part.count, parameters.data(), batch_loss(loss, divide), gradients.data());
    bookkeeping.join(stream);
  }

  // The gradients of this process's part, and the figures behind them.
  void queue_part(Stream stream, Source data, const Part& part, Pixels pixels, const CrossEntropyLoss& loss) {
    batch_divisor(stream, data, part.batch, loss, divisor.data());
    if (part.count > 0) {
      data.first = data.drawn_first = part.first;
      queue_gradients(stream, data, part, pixels, loss, Divisor::Given);
    } else {
      begin_step(stream, cursor.data(), rates.data(), now.data());
      check("gradients", cudaMemsetAsync(gradients.data(), 0, parameter_bytes(), stream));
      check("gradients", cudaMemsetAsync(sums.data(), 0, 2 * sizeof(double), stream));
    }
    pack_figures(stream, sums.data(), wish.data(), gradients.data() + plan.parameters);
  }

  void queue_update(Stream stream, std::int64_t batch, const CrossEntropyLoss& loss, const Optimizer& optimizer) {
    finish_step(bookkeeping.fork(stream), cursor.data(), batch, loss.reduction, divisor.data(), sums.data(),
                totals.data());
    update(stream, optimizer, now.data(), gradients.data(), plan.parameters, parameters.data(), moments.data(),
           moments.data() + (optimizer.kind == OptimizerKind::Adam ? plan.parameters : 0));
    bookkeeping.join(stream);
  }

  void queue_joint_update(Stream stream, std::int64_t batch, const CrossEntropyLoss& loss, const Optimizer& optimizer) {
    unpack_figures(stream, gradients.data() + plan.parameters, sums.data());
    queue_update(stream, batch, loss, optimizer);
  }

  std::size_t parameter_bytes() const { return static_cast<std::size_t>(plan.parameters) * sizeof(float); }

  // Waits for an event that sums over the processes come before: one that has failed never ends.
  void wait_jointly(const Event& event) const {
    auto checked = Clock::now();
    while (!event.done()) {
      if (Clock::now() - checked < std::chrono::milliseconds(1)) continue;
      nccl->check();
      checked = Clock::now();
    }
    nccl->check();  // after an error nothing is sure, not even that the device does not go on
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
  Memory<float> wish{1};  // of this process, to stop
  Pinned wishes{2};       // of all, after the last two launches
  std::unique_ptr<NcclCommunicator> nccl;
  Branch bookkeeping;
  OwnStream recorder;
  const void* joint_images = nullptr;
  Graphs graphs, joint_graphs;  // the latter with sums by NCCL, over those images: the same for all processes
};

}  // namespace convlet::cuda
