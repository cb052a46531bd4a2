// The engine: whole passes over a set of images, on the pool's threads, allocating nothing from step to step.
//
// A step has two phases with a barrier after each. Tiles: each thread takes tiles of 16 images through all stages,
// forward, loss and backward, while they stay in its L2. Update: each thread takes rows of weights, sums their
// partial gradients in the order of the tiles, updates them and packs them for the next step. The order of every sum
// is fixed by the batch, so the bits do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "convlet/augment.h"
#include "convlet/cross_entropy.h"
#include "convlet/optimizer.h"
#include "convlet/plan.h"
#include "convlet/run.h"
#include "convlet/team.h"
#include "engine/image_network.h"
#include "engine/network.h"
#include "engine/update.h"
#include "threads/pool.h"

namespace convlet {

struct Training {
  Images images;
  const std::int64_t* labels;
  const std::int64_t* order;  // of the images, `count` of them
  std::int64_t count, batch_size;
  const double* learning_rates;  // one a step
  Optimizer optimizer;
  CrossEntropyLoss loss;
  const Team* team = nullptr;        // or null for a process by itself
  std::uint64_t seed = 0;            // of dropout and augmentation, which also go by the optimizer's step
  const Augment* augment = nullptr;  // or none
};

class Engine {
 public:
  // With a matrix unit, products are of bf16: see Network.
  Engine(const Plan& plan, const Kernels& kernels, int threads, const MatrixKernels* matrix = nullptr);
  ~Engine();

  const Plan& plan() const { return plan_; }
  int threads() const { return threads_ > 0 ? threads_ : Pool::shared().size(); }

  // outputs (count, output size). Returns false if the watch abandoned it, as do those below.
  bool forward(const float* parameters, const Images& images, float* outputs, const Watch& watch);
  bool evaluate(const float* parameters, const Images& images, const std::int64_t* labels, const CrossEntropyLoss& loss,
                Totals& totals, const Watch& watch);
  // gradients (parameters) of the whole set as one batch; totals.loss_sum is the reduced loss.
  bool gradients(const float* parameters, const Images& images, const std::int64_t* labels,
                 const CrossEntropyLoss& loss, const Draw& draw, float* gradients, Totals& totals, const Watch& watch);
  // One pass over the order; state (state_arrays, parameters). Totals grow at the end of every step. In a team all
  // processes make the same steps: the watch of any of them stops all, after the same one.
  bool train(float* parameters, float* state, const Training& training, Totals& totals, const Watch& watch);

 private:
  struct Run;

  void load(const Run& run, std::int64_t step, std::int64_t tile, int images, int member);
  void run_tiles(Run& run, std::int64_t step, int member, const float* parameters);
  bool join(Run& run, std::int64_t step, int member);
  bool exchange_sums(Run& run, std::int64_t step);
  bool exchange_tiles(Run& run, std::int64_t step);
  void update(Run& run, std::int64_t step, float* parameters, float* state);
  Totals totals_of(const Run& run, std::int64_t step) const;
  void forward_image(const float* parameters, const Images& images, std::int64_t n, int member, int threads,
                     float* output);
  void prepare_images(int members, const float* parameters);
  void prepare(int members, std::int64_t stash_tiles, const float* parameters);
  int members_for(std::int64_t tiles) const;

  Plan plan_;
  const Kernels* kernels_;
  const MatrixKernels* matrix_;
  int threads_;
  Network network_;
  std::unique_ptr<ImageNetwork> images_;
  std::vector<Buffer> arenas_, image_arenas_, augmented_;
  std::vector<Unit> units_;
  std::unique_ptr<Stash> stash_;
  Buffer gradient_;
};

}  // namespace convlet
