#include "engine/engine.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>

#include "engine/load.h"
#include "engine/stop.h"
#include "engine/update.h"
#include "ops/cross_entropy_tile.h"
#include "ops/tiles.h"
#include "threads/pool.h"

namespace convlet {
namespace {

// Hands out 0, 1, 2, ... to the threads that ask.
class Counter {
 public:
  std::int64_t next() { return value_.fetch_add(1, std::memory_order_relaxed); }
  void reset() { value_.store(0, std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<std::int64_t> value_{0};
};

}  // namespace

Engine::Engine(const Plan& plan, const Kernels& kernels, int threads, const MatrixKernels* matrix)
    : plan_(plan),
      kernels_(&kernels),
      matrix_(matrix),
      threads_(threads),
      network_(plan_, kernels, matrix),
      units_(units_of(plan_)) {}

Engine::~Engine() = default;

int Engine::members_for(std::int64_t tiles) const {
  return static_cast<int>(std::clamp<std::int64_t>(tiles, 1, threads()));
}

void Engine::prepare(int members, std::int64_t stash_tiles, const float* parameters) {
  if (arenas_.size() < static_cast<std::size_t>(members)) arenas_.resize(static_cast<std::size_t>(members));
  for (int m = 0; m < members; ++m) arenas_[static_cast<std::size_t>(m)].reserve(static_cast<std::size_t>(plan_.arena));
  if (stash_tiles) gradient_.reserve(static_cast<std::size_t>(plan_.parameters + kFigures));
  if (stash_tiles && (!stash_ || stash_->tiles() < stash_tiles)) {
    stash_.reset();
    stash_ = std::make_unique<Stash>(plan_, stash_tiles);
  }
  network_.pack(parameters, stash_tiles ? Network::Passes::Both : Network::Passes::Forward);
}

void Engine::prepare_images(int members, const float* parameters) {
  if (!images_) images_ = std::make_unique<ImageNetwork>(plan_, *kernels_);
  if (image_arenas_.size() < static_cast<std::size_t>(members)) image_arenas_.resize(static_cast<std::size_t>(members));
  for (int m = 0; m < members; ++m) {
    image_arenas_[static_cast<std::size_t>(m)].reserve(static_cast<std::size_t>(images_->arena()));
  }
  images_->pack(parameters);
}

// Full tiles, and the rest of the batch image by image where that takes less time than a tile with idle lanes.
bool Engine::forward(const float* parameters, const Images& images, float* outputs, const Watch& watch) {
  constexpr std::int64_t kFewImages = 9;  // that take as long as a tile of LeNet
  const std::int64_t rest = images.count % kTile, single = rest <= kFewImages && !matrix_ ? rest : 0;
  const std::int64_t tiles = tiles_of(images.count - single), size = plan_.output().image.size();
  constexpr std::int64_t kWorthAThread = 2000000;  // multiply-adds: some 20 us, where waking a thread takes up to 50
  std::int64_t work = 0;                           // of an image
  for (const Stage& stage : plan_.stages) work += stage.multiply_adds;
  // A tile and a few images make uneven halves; only large images are worth a thread each.
  const std::int64_t pieces = work < kWorthAThread ? tiles + single / 5 : tiles + single;
  const int members = members_for(std::min(pieces, images.count * work / kWorthAThread));
  if (tiles) prepare(members, 0, parameters);
  if (single) prepare_images(members, parameters);
  Stop stop(watch);
  parallel_for(members, tiles + single, [&](std::int64_t item, int member) {
    if (stop.wanted()) return;
    if (item >= tiles) {
      const std::int64_t n = images.count - single + item - tiles;
      forward_image(parameters, images, n, member, single == 1 && tiles == 0 ? threads() : 1, outputs + n * size);
    } else {
      float* arena = arenas_[static_cast<std::size_t>(member)].data();
      const int count = images_of(item, images.count);
      load_tile(*kernels_, images, lane_images(count, [&](int n) { return item * kTile + n; }), arena);
      network_.forward(parameters, arena, nullptr);
      unpack_tile(*kernels_, arena + plan_.output_offset(), images.count, size, item, outputs);
    }
    if (member == 0) stop.ask(At::Tile);
  });
  return !stop.wanted();
}

void Engine::forward_image(const float* parameters, const Images& images, std::int64_t n, int member, int threads,
                           float* output) {
  float* arena = image_arenas_[static_cast<std::size_t>(member)].data();
  const float* image = nullptr;
  if (images.bytes) {
    kernels_->scale_bytes(static_cast<const std::uint8_t*>(images.data) + n * images.size, images.size, arena);
    image = arena;
  } else {
    image = static_cast<const float*>(images.data) + n * images.size;
  }
  const float* y = images_->forward(parameters, image, arena, threads);
  std::copy_n(y, plan_.output().image.size(), output);
}

bool Engine::evaluate(const float* parameters, const Images& images, const std::int64_t* labels,
                      const CrossEntropyLoss& loss, Totals& totals, const Watch& watch) {
  const std::int64_t tiles = tiles_of(images.count);
  const int members = members_for(tiles);
  prepare(members, 0, parameters);
  std::vector<TileLoss> losses(static_cast<std::size_t>(tiles));
  Stop stop(watch);
  parallel_for(members, tiles, [&](std::int64_t tile, int member) {
    if (stop.wanted()) return;
    float* arena = arenas_[static_cast<std::size_t>(member)].data();
    const int count = images_of(tile, images.count);
    load_tile(*kernels_, images, lane_images(count, [&](int n) { return tile * kTile + n; }), arena);
    network_.forward(parameters, arena, nullptr);
    losses[static_cast<std::size_t>(tile)] = cross_entropy_tile(
        *kernels_, loss, 1.0, arena + plan_.output_offset(), count, [&](int n) { return labels[tile * kTile + n]; },
        nullptr, nullptr);
    if (member == 0) stop.ask(At::Tile);
  });
  if (stop.wanted()) return false;
  for (const TileLoss& part : losses) {
    totals.loss_sum += part.sum;
    totals.correct += static_cast<double>(part.correct);
  }
  totals.images += static_cast<double>(images.count);
  return true;
}

// The state of a run of training steps that its threads share.
struct Engine::Run {
  Run(const Training& training, int members, const Watch& watch)
      : training(training),
        barrier(members),
        stop(watch),
        losses(static_cast<std::size_t>(tiles_of(training.batch_size))) {}

  const Training& training;
  Barrier barrier;
  Counter tiles, units;
  Stop stop;
  std::vector<TileLoss> losses;
  TileLoss sum;                // of them, where the team added it
  bool stands = false;         // whether the team made the step
  std::exception_ptr failure;  // that kept the team from it

  // The batch of a step.
  std::int64_t first(std::int64_t step) const { return step * training.batch_size; }
  std::int64_t count(std::int64_t step) const { return std::min(training.batch_size, training.count - first(step)); }
  std::int64_t image(std::int64_t position) const { return training.order ? training.order[position] : position; }
  Draw draw(std::int64_t step) const { return {training.seed, training.optimizer.step + step}; }
  std::int64_t label(std::int64_t position) const { return training.labels[image(position)]; }

  // This process's tiles of it, and which of them has the first slot.
  Share share(std::int64_t step) const {
    const std::int64_t all = tiles_of(count(step));
    return training.team ? training.team->share(training.team->rank, all) : Share{0, all};
  }
  bool sums_of_own() const { return training.team && training.team->combine == Combine::Sums; }
  std::int64_t first_slot(std::int64_t step) const { return sums_of_own() ? share(step).first : 0; }

  template <class F>
  void each_unit(const std::vector<Unit>& all, F&& f) {
    for (std::int64_t u = units.next(); u < static_cast<std::int64_t>(all.size()); u = units.next()) {
      f(all[static_cast<std::size_t>(u)]);
    }
  }
};

void Engine::load(const Run& run, std::int64_t step, std::int64_t tile, int images, int member) {
  const std::int64_t at = run.first(step) + tile * kTile;
  const LaneImages lanes = lane_images(images, [&](int n) { return run.image(at + n); });
  const auto m = static_cast<std::size_t>(member);
  const Training& training = run.training;
  if (training.augment) {
    load_augmented(*kernels_, training.images, plan_.input().image, *training.augment, run.draw(step), lanes, images,
                   augmented_[m].data(), arenas_[m].data());
  } else {
    load_tile(*kernels_, training.images, lanes, arenas_[m].data());
  }
}

void Engine::run_tiles(Run& run, std::int64_t step, int member, const float* parameters) {
  const std::int64_t first = run.first(step), count = run.count(step), first_slot = run.first_slot(step);
  const Share share = run.share(step);
  const double divisor = run.training.loss.divisor(count, [&](std::int64_t n) { return run.label(first + n); });
  float* arena = arenas_[static_cast<std::size_t>(member)].data();
  for (std::int64_t tile = share.first + run.tiles.next(); tile < share.last; tile = share.first + run.tiles.next()) {
    if (run.stop.wanted()) return;
    const std::int64_t at = first + tile * kTile;
    const int images = images_of(tile, count);
    const TrainingTile place{run.draw(step), tile * kTile, tile - first_slot};
    load(run, step, tile, images, member);
    network_.forward(parameters, arena, &place);
    run.losses[static_cast<std::size_t>(tile)] = cross_entropy_tile(
        *kernels_, run.training.loss, divisor, arena + plan_.output_offset(), images,
        [&](int n) { return run.label(at + n); }, nullptr, arena + plan_.slope);
    network_.backward(arena, place, images, *stash_);
    if (member == 0) run.stop.ask(At::Tile);
  }
}

// Waits for all threads, and brings in what the team's other processes have computed. Whether the step stands.
bool Engine::join(Run& run, std::int64_t step, int member) {
  run.barrier.wait();
  const Team* team = run.training.team;
  if (!team) return !run.stop.wanted();  // decided before the barrier, so by all threads alike
  if (run.sums_of_own() && !run.stop.wanted()) {
    const std::int64_t images = run.share(step).images(run.count(step));
    run.each_unit(units_,
                  [&](const Unit& unit) { sum_gradients(*kernels_, plan_, unit, *stash_, images, gradient_.data()); });
    run.barrier.wait();
  }
  if (member == 0) {
    run.units.reset();
    try {
      run.stands = run.sums_of_own() ? exchange_sums(run, step) : exchange_tiles(run, step);
    } catch (...) {  // the others wait at the barrier
      run.stands = false;
      run.failure = std::current_exception();
    }
  }
  run.barrier.wait();
  return run.stands;
}

// The gradients, and behind them the loss, the right answers, and how many processes want to stop.
bool Engine::exchange_sums(Run& run, std::int64_t step) {
  const Share share = run.share(step);
  TileLoss own;
  for (std::int64_t tile = share.first; tile < share.last; ++tile) {
    own.sum += run.losses[static_cast<std::size_t>(tile)].sum;
    own.correct += run.losses[static_cast<std::size_t>(tile)].correct;
  }
  float* behind = gradient_.data() + plan_.parameters;
  behind[0] = static_cast<float>(own.sum);
  behind[1] = static_cast<float>(own.correct);
  behind[2] = run.stop.wanted() ? 1.0f : 0.0f;
  if (!run.training.team->sum(gradient_.data(), plan_.parameters + kFigures)) return false;
  run.sum = {static_cast<double>(behind[0]), static_cast<std::int64_t>(behind[1])};
  return behind[2] == 0.0f;
}

// Everything that one process would have in its stash, and the losses.
bool Engine::exchange_tiles(Run& run, std::int64_t step) {
  const Team& team = *run.training.team;
  float stops = run.stop.wanted() ? 1.0f : 0.0f;
  if (!team.sum(&stops, 1) || stops != 0.0f) return false;
  const std::int64_t tiles = tiles_of(run.count(step));
  const auto gather = [&](void* buffer, std::size_t bytes_per_tile) {
    std::vector<std::int64_t> bytes;
    for (std::int64_t r = 0; r < team.size; ++r) {
      const Share share = team.share(r, tiles);
      bytes.push_back((share.last - share.first) * static_cast<std::int64_t>(bytes_per_tile));
    }
    return team.gather(buffer, bytes);
  };
  if (!gather(run.losses.data(), sizeof(TileLoss))) return false;
  if (plan_.slot_size && !gather(stash_->slot(0), sizeof(float) * static_cast<std::size_t>(plan_.slot_size))) {
    return false;
  }
  for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
    const Stage& stage = plan_.stages[i];
    if (stage.layer.kind != LayerKind::Linear) continue;
    const std::size_t column = sizeof(float) * kTile;
    if (!gather(stash_->inputs(i), column * static_cast<std::size_t>(Stash::row(stage))) ||
        !gather(stash_->slopes(i), column * static_cast<std::size_t>(stage.layer.linear.outputs))) {
      return false;
    }
  }
  return true;
}

// The second phase of a step.
void Engine::update(Run& run, std::int64_t step, float* parameters, float* state) {
  const Optimizer& optimizer = run.training.optimizer;
  const Update update(optimizer, run.training.learning_rates[step], optimizer.step + step);
  run.each_unit(units_, [&](const Unit& unit) {
    if (!run.sums_of_own()) {
      sum_gradients(*kernels_, plan_, unit, *stash_, run.count(step), gradient_.data());
    }
    update.apply(*kernels_, plan_, unit, gradient_.data(), parameters, state);
    network_.pack(unit.stage, unit.first, unit.last, parameters, Network::Passes::Both);
  });
}

// The loss of a step, its tiles in order: the sum over its images, or, where a mean is weighted, mean times images.
Totals Engine::totals_of(const Run& run, std::int64_t step) const {
  const std::int64_t first = run.first(step), count = run.count(step);
  TileLoss sum = run.sum;
  if (!run.sums_of_own()) {
    sum = {};
    for (std::int64_t tile = 0; tile < tiles_of(count); ++tile) {
      sum.sum += run.losses[static_cast<std::size_t>(tile)].sum;
      sum.correct += run.losses[static_cast<std::size_t>(tile)].correct;
    }
  }
  Totals totals{1.0, static_cast<double>(count), sum.sum, static_cast<double>(sum.correct)};
  const double divisor = run.training.loss.divisor(count, [&](std::int64_t n) { return run.label(first + n); });
  if (run.training.loss.reduction == Reduction::Mean && divisor > 0 && divisor != totals.images) {
    totals.loss_sum *= totals.images / divisor;  // a batch without a label that counts adds nothing
  }
  return totals;
}

bool Engine::gradients(const float* parameters, const Images& images, const std::int64_t* labels,
                       const CrossEntropyLoss& loss, const Draw& draw, float* gradients, Totals& totals,
                       const Watch& watch) {
  Training training{};
  training.images = images;
  training.labels = labels;
  training.count = training.batch_size = images.count;
  training.loss = loss;
  training.seed = draw.seed;
  training.optimizer.step = draw.step;
  const std::int64_t tiles = tiles_of(images.count);
  const int members = members_for(tiles);
  prepare(members, std::max<std::int64_t>(1, tiles), parameters);
  Run run(training, members, watch);
  Pool::shared().run(members, [&](int member) {
    run_tiles(run, 0, member, parameters);
    run.barrier.wait();
    if (run.stop.wanted()) return;
    run.each_unit(units_,
                  [&](const Unit& unit) { sum_gradients(*kernels_, plan_, unit, *stash_, images.count, gradients); });
  });
  if (run.stop.wanted()) return false;
  totals = totals_of(run, 0);
  if (loss.reduction == Reduction::Mean) totals.loss_sum /= totals.images;
  return true;
}

bool Engine::train(float* parameters, float* state, const Training& training, Totals& totals, const Watch& watch) {
  const std::int64_t steps = ceil_div(training.count, training.batch_size);
  if (steps == 0) return true;
  const std::int64_t tiles = tiles_of(std::min(training.batch_size, training.count));
  const int members = members_for(tiles);
  prepare(members, tiles, parameters);
  if (training.augment) {
    augmented_.resize(std::max(augmented_.size(), static_cast<std::size_t>(members)));
    for (Buffer& scratch : augmented_) {
      scratch.reserve(static_cast<std::size_t>(augmentation_scratch(plan_.input().image)));
    }
  }
  Run run(training, members, watch);
  Pool::shared().run(members, [&](int member) {
    for (std::int64_t step = 0; step < steps; ++step) {
      run_tiles(run, step, member, parameters);
      if (!join(run, step, member)) return;
      Totals of_step;
      if (member == 0) {
        run.tiles.reset();
        of_step = totals_of(run, step);
      }
      update(run, step, parameters, state);
      run.barrier.wait();
      if (member == 0) {
        run.units.reset();
        totals.steps += of_step.steps;
        totals.images += of_step.images;
        totals.loss_sum += of_step.loss_sum;
        totals.correct += of_step.correct;
        run.stop.ask(At::Step);
      }
    }
  });
  if (run.failure) std::rethrow_exception(run.failure);
  return !run.stop.wanted();
}

}  // namespace convlet
