#include "engine/sliding.h"

#include <algorithm>

#include "engine/sliding_worker.h"
#include "ops/blocking.h"
#include "ops/weights.h"
#include "threads/pool.h"

namespace convlet {
namespace {

constexpr std::int64_t kMostColumns = 128, kMostRows = 1024;  // of windows in a piece
// Of all planes of a piece: 1.5 MiB, which fits into L2. LeNet took 18 % longer with a half, 6 % with four times as
// much.
constexpr std::int64_t kPieceFloats = 3 << 17;

std::int64_t most_extra(const Lines& lines) {
  std::int64_t most = 0;
  for (const Line& line : lines) most = std::max(most, line.extra);
  return most;
}

}  // namespace

Sliding::Sliding(const SlidingNet& net, const Kernels& kernels, std::int64_t rows, std::int64_t columns)
    : net_(&net), kernels_(&kernels), rows_(rows), columns_(columns) {
  add_stages();
  schedule(stages_.size() - 1, 0, 0);
  share_memory();
  choose_piece();
  for (Stage& stage : stages_) {
    if (stage.layer && stage.layer->weight) pack(stage);
  }
  for (const Job& job : jobs_) list_taps(job);
}

void Sliding::add_stages() {
  stages_.emplace_back();
  stages_.back().rows = &net_->rows;
  stages_.back().columns = &net_->columns;
  stages_.back().channels = net_->channels;
  for (const SlidingLayer& layer : net_->layers) {
    if (layer.rows.empty()) {
      stages_.back().then.push_back(&layer);
      continue;
    }
    stages_.emplace_back();
    stages_.back().layer = &layer;
    stages_.back().rows = &layer.rows;
    stages_.back().columns = &layer.columns;
    stages_.back().channels = layer.channels;
  }
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = stages_[i];
    stage.before = i ? &stages_[i - 1] : nullptr;
    stage.jobs.assign(stage.rows->size() * stage.columns->size(), -1);
  }
}

template <class F>
void Sliding::for_each_tap(const Job& job, F&& f) const {
  const Stage& stage = stages_[static_cast<std::size_t>(job.stage)];
  if (!stage.layer) return;
  const Stage& before = *stage.before;
  for (const LineTap& row : (*stage.rows)[static_cast<std::size_t>(job.row)].taps) {
    for (const LineTap& column : (*stage.columns)[static_cast<std::size_t>(job.column)].taps) {
      const std::size_t plane = static_cast<std::size_t>(row.line) * before.columns->size() + column.line;
      f(row, column, static_cast<std::size_t>(before.jobs[plane]));
    }
  }
}

// Appends the job of a plane, after those of all planes that it reads.
void Sliding::schedule(std::size_t stage, std::size_t row, std::size_t column) {
  const Stage& own = stages_[stage];
  const std::size_t plane = row * own.columns->size() + column;
  if (own.jobs[plane] >= 0) return;
  if (own.layer) {
    for (const LineTap& down : (*own.rows)[row].taps) {
      for (const LineTap& right : (*own.columns)[column].taps) {
        schedule(stage - 1, static_cast<std::size_t>(down.line), static_cast<std::size_t>(right.line));
      }
    }
  }
  stages_[stage].jobs[plane] = static_cast<std::int32_t>(jobs_.size());
  Job job{};
  job.stage = static_cast<std::int32_t>(stage);
  job.row = static_cast<std::int32_t>(row);
  job.column = static_cast<std::int32_t>(column);
  jobs_.push_back(job);
}

// Gives every plane a slot of its stage's memory, which it keeps until the last job that reads it.
void Sliding::share_memory() {
  std::vector<std::size_t> last(jobs_.size());
  for (std::size_t j = 0; j < jobs_.size(); ++j) {
    for_each_tap(jobs_[j], [&](const LineTap&, const LineTap&, std::size_t source) { last[source] = j; });
  }
  for (std::size_t j = jobs_.size(); j-- > 0;) stages_[static_cast<std::size_t>(jobs_[j].stage)].first_job = j;
  for (std::size_t j = 0; j < jobs_.size(); ++j) {
    const auto stage = static_cast<std::size_t>(jobs_[j].stage);
    stages_[stage].last_job = j;
    if (stage) stages_[stage - 1].last_job = j;
  }
  std::vector<std::vector<std::int32_t>> free(stages_.size());
  std::int64_t taps = 0;
  for (std::size_t j = 0; j < jobs_.size(); ++j) {
    Job& job = jobs_[j];
    job.taps = taps;
    for_each_tap(job, [&](const LineTap&, const LineTap&, std::size_t) { ++job.tap_count; });
    taps += job.tap_count;
    auto& slots = free[static_cast<std::size_t>(job.stage)];
    if (slots.empty()) {
      job.slot = static_cast<std::int32_t>(stages_[static_cast<std::size_t>(job.stage)].slots++);
    } else {
      job.slot = slots.back();
      slots.pop_back();
    }
    for_each_tap(job, [&](const LineTap&, const LineTap&, std::size_t source) {
      if (last[source] != j) return;
      last[source] = 0;  // given back once
      free[static_cast<std::size_t>(job.stage) - 1].push_back(jobs_[source].slot);
    });
  }
}

// Lays out pieces of so many windows; returns the floats that they take. Stages that are never in use together share
// memory.
std::int64_t Sliding::place(std::int64_t rows, std::int64_t columns) {
  arena_ = 0;
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = stages_[i];
    stage.pitch = round_up(columns + most_extra(*stage.columns), kTile);
    // An odd number of vectors: planes that are a power of two apart would meet in one set of the caches.
    stage.plane = ((rows + most_extra(*stage.rows)) * stage.pitch / kTile | 1) * kTile;
    const std::int64_t channels = product("score_map", stage.slots, stage.channels);
    stage.size =
        product("score_map", channels, stage.plane) + kTile;  // the last vector of a shifted row may reach there
    stage.memory = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t k = 0; k < i; ++k) {
        const Stage& other = stages_[k];
        const bool together = stage.first_job <= other.last_job && other.first_job <= stage.last_job;
        const bool overlap = stage.memory < other.memory + other.size && other.memory < stage.memory + stage.size;
        if (!together || !overlap) continue;
        stage.memory = other.memory + other.size;
        moved = true;
      }
    }
    arena_ = std::max(arena_, stage.memory + stage.size);
  }
  return arena_;
}

// Multiply-adds for each window of a piece, in vectors: idle lanes count, and what neighbouring pieces compute too. An
// output takes as long as a few of them beside, for its activation and its way to memory.
double Sliding::cost(std::int64_t rows, std::int64_t columns) const {
  constexpr std::int64_t kOutput = 16;
  double all = 0;
  for (const Job& job : jobs_) {
    const Stage& stage = stages_[static_cast<std::size_t>(job.stage)];
    const std::int64_t height = rows + (*stage.rows)[static_cast<std::size_t>(job.row)].extra;
    const std::int64_t width = columns + (*stage.columns)[static_cast<std::size_t>(job.column)].extra;
    const bool sums = stage.layer && stage.layer->kind == LayerKind::Conv2d;
    const std::int64_t inputs = sums ? stage.before->channels / stage.layer->groups : 1;
    const std::int64_t each = stage.channels * (job.tap_count * inputs + kOutput);
    all += static_cast<double>(each) * static_cast<double>(height * ceil_div(width, kTile));
  }
  return all / static_cast<double>(rows * columns);
}

// Pieces as equal as whole numbers allow, of the shape that costs least among those whose planes fit into L2; or, where
// none does, the smallest that fills a vector.
void Sliding::choose_piece() {
  double least = 0;
  const std::int64_t most = ceil_div(columns_, kTile);
  for (std::int64_t pieces = ceil_div(columns_, kMostColumns); pieces <= most; ++pieces) {
    const std::int64_t columns = ceil_div(columns_, pieces);
    std::int64_t low = 1, high = std::min(rows_, kMostRows);
    while (low < high) {
      const std::int64_t middle = (low + high + 1) / 2;
      if (place(middle, columns) <= kPieceFloats) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    if (place(low, columns) > kPieceFloats && pieces < most) continue;
    const std::int64_t rows = ceil_div(rows_, ceil_div(rows_, low));
    const double found = cost(rows, columns);
    if (least == 0 || found < least) {
      least = found;
      piece_rows_ = rows;
      piece_columns_ = columns;
    }
    if (columns <= kTile) break;
  }
  place(piece_rows_, piece_columns_);
}

void Sliding::pack(Stage& stage) const {
  const SlidingLayer& layer = *stage.layer;
  Conv2d op;
  op.in.channels = stage.before->channels;
  op.out_channels = layer.channels;
  op.kernel = layer.kernel;
  op.groups = layer.groups;
  const std::int64_t outputs = layer.channels / layer.groups, taps = layer.kernel.height * layer.kernel.width;
  const Span line{0, 1, static_cast<std::int32_t>(piece_rows_), 0, 1, 1, 0}, point{0, 1, 1, 0, 1, 1, 0};
  stage.block = choose_block(*kernels_, outputs, {{line}, 1, 1}, {{point}, 1, 1}).size;
  stage.w_channel = taps * stage.block;
  stage.w_block = op.channels_of_group() * stage.w_channel;
  stage.w_group = ceil_div(outputs, stage.block) * stage.w_block;
  Correlation strides{};
  strides.block = stage.block;
  strides.w_group = stage.w_group;
  strides.w_block = stage.w_block;
  strides.w_channel = stage.w_channel;
  strides.w_tap = stage.block;
  float* packed = stage.weights.reserve(static_cast<std::size_t>(layer.groups * stage.w_group));
  pack_weights(op, Direction::Forward, strides, 0, layer.channels, layer.weight, packed);
}

void Sliding::list_taps(const Job& job) {
  for_each_tap(job, [&](const LineTap& row, const LineTap& column, std::size_t source) {
    const Stage &own = stages_[static_cast<std::size_t>(job.stage)], &before = *own.before;
    const std::int64_t weight = (row.tap * own.layer->kernel.width + column.tap) * own.block;
    const std::int64_t slot = jobs_[source].slot * before.channels * before.plane;
    taps_.push_back({weight, slot + row.shift * before.pitch + column.shift});
  });
}

bool Sliding::run(const Picture& picture, float* scores, const Watch& watch) const {
  const std::int64_t down = ceil_div(rows_, piece_rows_), across = ceil_div(columns_, piece_columns_);
  const int members = static_cast<int>(std::min<std::int64_t>(Pool::shared().size(), down * across));
  std::vector<Worker> workers;
  for (int m = 0; m < members; ++m) workers.emplace_back(*this, picture, scores);
  Stop stop(watch);
  parallel_for(members, down * across, [&](std::int64_t item, int member) {
    const std::int64_t top = item / across * piece_rows_, left = item % across * piece_columns_;
    const Piece piece{top, left, std::min(piece_rows_, rows_ - top), std::min(piece_columns_, columns_ - left)};
    workers[static_cast<std::size_t>(member)].run(piece, stop, member == 0);
  });
  return !stop.wanted();
}

}  // namespace convlet
