// Training: an epoch as graphs of recorded steps, by this process alone or in a team.
//
// A step of a team is the gradients of this process's part, a sum over the processes, and the update that all make.
// NCCL adds up on the GPU's stream, so that its sums are recorded with the step; without it the gradients go through
// the hosts, step by step.
#include <optional>

#include "cuda/engine_state.h"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

// Steps that take no longer are recorded and launched by the dozen: all on an emulated device, which has no time.
#ifdef CONVLET_CUDA_EMULATED
constexpr auto kBrief = std::chrono::hours(1);
#else
constexpr auto kBrief = std::chrono::milliseconds(2);
#endif

}  // namespace

// One call of Engine::train.
class Engine::State::Run {
 public:
  Run(State& state, const DataSet& data, const Training& training, Totals& totals, const Watch& watch)
      : s(state),
        training_(training),
        totals_(totals),
        before_(totals),
        batch_(std::min(training.batch_size, training.count)),
        full_(training.count / batch_),
        rest_(training.count % batch_),
        steps_(full_ + (rest_ ? 1 : 0)),
        source_(data.arrays().source),
        patience_(watch) {}

  void upload(const float* parameters, const float* state) {
    const std::int64_t most = std::max(part(0).count, part(steps_ - 1).count);
    s.reserve(std::max<std::int64_t>(1, most), Use::Training);
    s.take_parameters(parameters);
    s.known.clear();  // from here on the device's are ahead
    loss_ = s.take_loss(training_.loss);
    const std::int64_t state_size = training_.optimizer.state_arrays() * s.plan.parameters;
    s.grow(s.moments, state_size);
    s.moments.write(state, state_size);
    s.grow(s.order, training_.count);
    s.order.write(training_.order, training_.count);
    std::vector<StepRates> rates;
    for (std::int64_t step = 0; step < steps_; ++step) {
      rates.push_back(rates_of(training_.optimizer, training_.learning_rates[step], training_.optimizer.step + step));
    }
    s.grow(s.rates, steps_);
    s.rates.write(rates.data(), steps_);
    s.start();
    const float no = 0.0f;
    s.wish.write(&no, 1);
    source_.order = s.order.data();
    source_.cursor = source_.clock = s.cursor.data();
    source_.draw = s.draw.data();
    const Draw draw{training_.seed, training_.optimizer.step};
    s.draw.write(&draw, 1);
    if (training_.augment) {
      s.grow(s.augmentation, 1);
      s.augmentation.write(training_.augment, 1);
      s.grow(s.augmented, std::max<std::int64_t>(1, most) * source_.size);
      s.grow(s.chosen, std::max<std::int64_t>(1, most));
    }
  }

  void download(float* parameters, float* state) {
    s.add_to(totals_, before_);
    s.parameters.read(parameters, s.plan.parameters);
    s.moments.read(state, training_.optimizer.state_arrays() * s.plan.parameters);
    s.known.assign(parameters, parameters + s.plan.parameters);
  }

  // Two launches wait on the device, so that it never idles and a wish to stop is heard soon: the first step is timed,
  // and long ones are launched one by one.
  bool alone() {
    Event launched[2];
    const auto first_launch = Clock::now();
    launch(0, 1);
    if (steps_ > 1) synchronize();
    const bool brief = Clock::now() - first_launch < kBrief;
    std::int64_t done = 1;
    for (std::int64_t launches = 0; done < steps_; ++launches) {
      Event& event = launched[launches % 2];
      if (launches >= 2) event.wait();
      if (patience_.due()) {
        s.add_to(totals_, before_);
        if (patience_.stop()) return false;
      }
      done += launch(done, unrolled(done, brief));
      event.record(stream());
    }
    return true;
  }

  // The same with sums by NCCL. All processes must record and launch the same graphs, so what each would decide by
  // itself, from its clock or its watch, is put to the vote: on the hosts before and behind the first step, and by the
  // figures of the last step of every launch, which are read before the second launch after it.
  bool by_nccl() {
    const std::optional<bool> kept = all_agree(!s.joint_graphs.empty() && s.joint_images == source_.images);
    if (!kept) return false;
    if (!*kept) s.joint_graphs.clear();
    s.joint_images = source_.images;
    const auto first_launch = Clock::now();
    launch_jointly(0, 1);
    wait();
    const std::optional<bool> brief = all_agree(Clock::now() - first_launch < kBrief);
    if (!brief) return false;
    const float* wishes = s.wishes.data();
    Event launched[2];
    bool wished = false;
    std::int64_t done = 1;
    for (std::int64_t launches = 0; done < steps_; ++launches) {
      const std::int64_t turn = launches % 2;
      if (launches >= 2) {
        s.wait_jointly(launched[turn]);
        if (wishes[turn] != 0.0f) break;
      }
      if (!wished && patience_.due()) wished = wish();
      done += launch_jointly(done, unrolled(done, *brief));
      check("wishes to stop", cudaMemcpyAsync(s.wishes.data() + turn, s.gradients.data() + s.plan.parameters + 2,
                                              sizeof(float), cudaMemcpyDeviceToHost, stream()));
      launched[turn].record(stream());
    }
    wait();
    return done == steps_;
  }

  // The same with sums on the hosts, where a step that somebody wants to stop at is not made.
  bool by_hosts() {
    std::vector<float> message(static_cast<std::size_t>(s.plan.parameters + kFigures));
    const auto size = static_cast<std::int64_t>(message.size());
    bool wished = false;
    for (std::int64_t step = 0; step < steps_; ++step) {
      if (!wished && patience_.due()) wished = wish();
      const Part own = part(step);
      s.graph(s.graphs, key(Work::Gradients, 1, own), [&](Stream stream) {
         s.queue_part(stream, source_, own, pixels(), loss_);
       }).launch(stream());
      s.gradients.read(message.data(), size);
      if (!training_.team->sum(message.data(), size) || message.back() != 0.0f) return false;
      s.gradients.write(message.data(), size);
      s.graph(s.graphs, key(Work::Update, 1, own), [&](Stream stream) {
         s.queue_joint_update(stream, own.batch, loss_, training_.optimizer);
       }).launch(stream());
    }
    return true;
  }

 private:
  Part part(std::int64_t step) const { return Part::of(training_.team, step < full_ ? batch_ : rest_); }
  Pixels pixels() const { return training_.augment ? Pixels::Augmented : Pixels::Plain; }
  Key key(Work work, int steps, const Part& part) const {
    return key_of(work, steps, part, source_, pixels(), loss_, training_.optimizer);
  }
  int unrolled(std::int64_t step, bool brief) const { return brief && full_ - step >= kUnrolled ? kUnrolled : 1; }

  // Launches so many steps, and returns how many.
  int launch(std::int64_t step, int count) {
    const Part all = part(step);
    s.graph(s.graphs, key(Work::Train, count, all), [&](Stream stream) {
       for (int i = 0; i < count; ++i) {
         s.queue_gradients(stream, source_, all, pixels(), loss_, Divisor::OfTargets);
         s.queue_update(stream, all.batch, loss_, training_.optimizer);
       }
     }).launch(stream());
    return count;
  }

  int launch_jointly(std::int64_t step, int count) {
    const Part own = part(step);
    s.graph(s.joint_graphs, key(Work::Train, count, own), [&](Stream stream) {
       for (int i = 0; i < count; ++i) {
         s.queue_part(stream, source_, own, pixels(), loss_);
         s.nccl->sum(stream, s.gradients.data(), s.plan.parameters + kFigures);
         s.queue_joint_update(stream, own.batch, loss_, training_.optimizer);
       }
     }).launch(stream());
    return count;
  }

  void wait() {
    if (!s.nccl) return;
    Event reached;
    reached.record(stream());
    s.wait_jointly(reached);
  }

  // Whether the watch wants to stop; the device then tells the others.
  bool wish() {
    wait();
    s.add_to(totals_, before_);
    const bool wished = patience_.stop();
    const float yes = 1.0f;
    if (wished) s.wish.write(&yes, 1);
    return wished;
  }

  // Nothing where the hosts cannot ask each other.
  std::optional<bool> all_agree(bool own) const {
    float against = own ? 0.0f : 1.0f;
    if (!training_.team->sum(&against, 1)) return std::nullopt;
    return against == 0.0f;
  }

  State& s;
  const Training& training_;
  Totals& totals_;
  const Totals before_;
  const std::int64_t batch_, full_, rest_, steps_;
  Source source_;
  CrossEntropyLoss loss_;
  Patience patience_;
};

bool Engine::train(float* parameters, float* state, const DataSet& data, const Training& training, Totals& totals,
                   const Watch& watch) {
  require("engine");
  if (training.count == 0 || training.batch_size == 0) return true;
  State::Run run(*state_, data, training, totals, watch);
  run.upload(parameters, state);
  const bool whole = !training.team ? run.alone() : state_->nccl ? run.by_nccl() : run.by_hosts();
  run.download(parameters, state);
  return whole;
}

}  // namespace convlet::cuda
