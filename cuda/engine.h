// The engine on the GPU: whole passes over a resident set of images, as CUDA graphs of recorded steps.
//
// An epoch is its order of images and its learning rates in device memory, and then one graph of many steps launched
// again and again: kernels find their images by a cursor that the last kernel of a step moves, and add loss and right
// answers to totals on the device. The host waits only for progress and at the end. Parameters belong to the host: they
// are uploaded where they have changed, and come back at the end of a call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "convlet/augment.h"
#include "convlet/cross_entropy.h"
#include "convlet/optimizer.h"
#include "convlet/plan.h"
#include "convlet/run.h"
#include "convlet/team.h"

namespace convlet::cuda {

// Images, and their labels where there are any, on the device.
class DataSet {
 public:
  DataSet(const Images& images, const std::int64_t* labels);
  ~DataSet();
  DataSet(const DataSet&) = delete;
  DataSet& operator=(const DataSet&) = delete;

  std::int64_t count() const { return count_; }
  std::int64_t size() const;   // values of an image
  std::int64_t bytes() const;  // on the device

  struct Arrays;
  const Arrays& arrays() const { return *arrays_; }

 private:
  std::unique_ptr<Arrays> arrays_;
  std::int64_t count_ = 0;
};

struct Training {
  const std::int64_t* order;  // of the images, `count` of them
  std::int64_t count, batch_size;
  const double* learning_rates;  // one a step
  Optimizer optimizer;
  CrossEntropyLoss loss;             // its weights lie on the host, as everywhere in this header
  std::uint64_t seed = 0;            // of dropout and augmentation, which also go by the optimizer's step
  const Augment* augment = nullptr;  // or none
  const Team* team = nullptr;        // or null for a process by itself; adds up sums, not tiles
};

enum class Fusion { Allowed, Off };

class Engine {
 public:
  Engine(const Plan& plan, Fusion fusion);
  ~Engine();

  const Plan& plan() const;
  // How the network runs: "fused LeNet" or "layer by layer".
  std::string passes() const;

  // Joins the engines of all processes by the NCCL in `library`, and parts them; each is called by all processes.
  void connect(const std::string& library, const std::vector<std::uint8_t>& id, int rank, int size);
  void disconnect();

  // outputs (count, output size), on the host. Returns false if the watch abandoned it, as do those below.
  bool forward(const float* parameters, const Images& images, float* outputs, const Watch& watch);
  // Images and outputs on the device; queued, not waited for.
  void forward_on_device(const float* parameters, const Images& images, float* outputs);
  bool evaluate(const float* parameters, const DataSet& data, const CrossEntropyLoss& loss, Totals& totals,
                const Watch& watch);
  // gradients (parameters), on the host, of the whole set as one batch; totals.loss_sum is the reduced loss.
  bool gradients(const float* parameters, const DataSet& data, const CrossEntropyLoss& loss, const Draw& draw,
                 float* gradients, Totals& totals, const Watch& watch);
  // One pass over the order; state (state_arrays, parameters). Totals grow as steps are done. In a team the gradients
  // are added up by NCCL between `connect` and `disconnect`, otherwise on the hosts by the team's `sum`; all processes
  // make the same steps, and the watch of any of them stops all after the same one.
  bool train(float* parameters, float* state, const DataSet& data, const Training& training, Totals& totals,
             const Watch& watch);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace convlet::cuda
