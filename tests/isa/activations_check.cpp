// relu, sigmoid and tanh for every float32, or for every K-th, on every instruction set that this processor runs.
//
//   accuracy    relu has the bits of max(x, 0), where -0 stays -0; sigmoid and tanh are within 4 ulp of the exact value
//   nan         NaN stays NaN
//   limits      the values at the infinities are exact
//   range       0 <= relu, 0 <= sigmoid <= 1, -1 <= tanh <= 1
//   monotone    as x grows, no y lies more than 2 floats below an earlier one
//   same bits   all instruction sets agree, but for the baseline of x86-64, which has no fused multiply-add
//
// Usage: activations_check [--threads N] [--stride K] [--plant RULE]. With --plant some outputs are made to break that
// rule, which proves that it is looked at. Exit status 0 if all rules hold, else 1.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "isa/dispatch.h"

using namespace convlet;

namespace {

constexpr std::int64_t kStepBack = 2, kInputs = std::int64_t{1} << 32, kBlock = 1 << 16, kBlocks = kInputs / kBlock;

enum Rule { Accuracy, Nan, Limits, Range, Monotone, SameBits, kRules };
const char* const kRuleNames[kRules] = {"accuracy", "nan", "limits", "range", "monotone", "same bits"};

// Exact values, in double precision: some 2^-28 ulp of a float off.
double relu(double x) { return x < 0 ? 0.0 : x; }
double sigmoid(double x) {
  const double t = std::exp(-std::fabs(x));
  return (x < 0 ? t : 1.0) / (1.0 + t);
}

struct Function {
  const char* name;
  Activation kind;
  double (*exact)(double);
  double ulps;  // 0: the bits of the exact value
  float low, high;
};
const Function kFunctions[] = {
    {"relu", Activation::Relu, relu, 0.0, 0.0f, std::numeric_limits<float>::infinity()},
    {"sigmoid", Activation::Sigmoid, sigmoid, 4.0, 0.0f, 1.0f},
    {"tanh", Activation::Tanh, std::tanh, 4.0, -1.0f, 1.0f},
};

std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
float float_of(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// All floats as x grows: the NaNs with a sign, -inf, ..., -0, 0, ..., inf, the other NaNs.
float input(std::int64_t place) {
  const auto key = static_cast<std::uint32_t>(place);
  return float_of(key >> 31 ? key ^ 0x80000000u : ~key);
}

// Floats between zero and y, with the sign of y.
std::int64_t rank(float y) {
  const std::int64_t magnitude = bits_of(y) & 0x7fffffffu;
  return std::signbit(y) ? -magnitude : magnitude;
}
float of_rank(std::int64_t rank) {
  return float_of(rank < 0 ? 0x80000000u | static_cast<std::uint32_t>(-rank) : static_cast<std::uint32_t>(rank));
}

// |y - exact| in units of the last place of a float of the exact value's size.
double ulps_off(float y, double exact) {
  std::uint64_t bits;
  std::memcpy(&bits, &exact, sizeof bits);
  const std::int64_t exponent = std::max<std::int64_t>(static_cast<std::int64_t>(bits >> 52 & 0x7ff) - 1023, -126);
  bits = static_cast<std::uint64_t>(1023 + 23 - exponent) << 52;  // 1 ulp = 2^(exponent - 23)
  double per_ulp;
  std::memcpy(&per_ulp, &bits, sizeof per_ulp);
  return std::fabs(y - exact) * per_ulp;
}

// What was found about one function on one instruction set.
struct Findings {
  std::uint64_t checked = 0, other_bits = 0, broken[kRules] = {};
  float first[kRules] = {};  // an input for each broken rule
  double ulps = 0.0;
  std::int64_t step_back = 0, apart = 0;  // apart: floats between this result and the first instruction set's
  float ulps_at = 0.0f, step_at = 0.0f;

  void breaks(Rule rule, float x) {
    if (broken[rule]++ == 0) first[rule] = x;
  }
  void add(const Findings& other) {
    checked += other.checked;
    other_bits += other.other_bits;
    apart = std::max(apart, other.apart);
    if (other.ulps > ulps) ulps = other.ulps, ulps_at = other.ulps_at;
    if (other.step_back > step_back) step_back = other.step_back, step_at = other.step_at;
    for (int rule = 0; rule < kRules; ++rule) {
      if (broken[rule] == 0) first[rule] = other.first[rule];
      broken[rule] += other.broken[rule];
    }
  }
};

// The outputs of one block of inputs, for the comparison with those of all earlier blocks.
struct Stretch {
  std::int64_t highest = -kInputs, lowest = kInputs;
  float lowest_at = 0.0f;
};

void check_block(const Function& f, const std::vector<float>& x, const std::vector<double>& exact,
                 const std::vector<float>& y, const std::vector<float>* same_as, Findings& found, Stretch& stretch) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) || std::isnan(y[i])) {
      if (!std::isnan(x[i]) || !std::isnan(y[i])) found.breaks(Nan, x[i]);
      continue;
    }
    if (std::isinf(x[i])) {
      if (bits_of(y[i]) != bits_of(static_cast<float>(exact[i]))) found.breaks(Limits, x[i]);
    } else {
      const double off = ulps_off(y[i], exact[i]);
      if (off > found.ulps) found.ulps = off, found.ulps_at = x[i];
      const bool right = f.ulps > 0.0 ? off <= f.ulps : bits_of(y[i]) == bits_of(static_cast<float>(exact[i]));
      if (!right) found.breaks(Accuracy, x[i]);
    }
    if (!(y[i] >= f.low && y[i] <= f.high)) found.breaks(Range, x[i]);
    const std::int64_t place = rank(y[i]);
    if (stretch.highest > place + found.step_back) found.step_back = stretch.highest - place, found.step_at = x[i];
    if (stretch.highest > place + kStepBack) found.breaks(Monotone, x[i]);
    stretch.highest = std::max(stretch.highest, place);
    if (place < stretch.lowest) stretch.lowest = place, stretch.lowest_at = x[i];
  }
  found.checked += x.size();
  if (!same_as) return;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (bits_of(y[i]) == bits_of((*same_as)[i])) continue;
    if (found.other_bits++ == 0) found.first[SameBits] = x[i];
    if (!std::isnan(y[i])) found.apart = std::max(found.apart, std::abs(rank(y[i]) - rank((*same_as)[i])));
  }
}

// Breaks a rule, and others no more than need be.
void plant(Rule rule, const std::vector<float>& x, std::vector<float>& y) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool usual = x[i] >= 1 && x[i] < 2, saturated = x[i] > 20 && x[i] < 21;
    if (rule == Accuracy && usual) y[i] = of_rank(rank(y[i]) + 6);
    if (rule == Nan && std::isnan(x[i])) y[i] = 0.0f;
    if (rule == Limits && std::isinf(x[i])) y[i] = of_rank(rank(y[i]) - 1);
    if (rule == Range && saturated) y[i] = of_rank(rank(1.0f) + 1);
    if (rule == Monotone && saturated) y[i] = of_rank(rank(1.0f) - 3);
    if (rule == SameBits && usual) y[i] = of_rank(rank(y[i]) + 1);
  }
}

struct Options {
  int threads = 1;
  std::int64_t stride = 1;
  Rule planted = kRules;  // none
};

class Check {
 public:
  explicit Check(const Options& options) : options_(options), tables_(available_kernels()) {
    stretches_.resize(std::size(kFunctions) * tables_.size(), std::vector<Stretch>(kBlocks));
    findings_.resize(stretches_.size());
  }

  bool run() {
    std::vector<std::vector<Findings>> parts(options_.threads, findings_);
    std::vector<std::thread> threads;
    for (std::vector<Findings>& part : parts) threads.emplace_back([this, &part] { work(part); });
    for (std::thread& thread : threads) thread.join();
    for (std::size_t row = 0; row < findings_.size(); ++row) {
      for (const std::vector<Findings>& part : parts) findings_[row].add(part[row]);
      join(stretches_[row], findings_[row]);
      if (!has_no_fma(row)) findings_[row].broken[SameBits] = findings_[row].other_bits;
    }
    return report();
  }

 private:
  bool has_no_fma(std::size_t row) const { return std::string(tables_[row % tables_.size()]->name) == "baseline"; }

  // Takes blocks of inputs until none is left: each with its first, every K-th and its last.
  void work(std::vector<Findings>& found) {
    const std::size_t planted_isa = std::min<std::size_t>(1, tables_.size() - 1);
    std::vector<float> x, y, first;
    std::vector<double> exact;
    for (std::int64_t block = next_++; block < kBlocks; block = next_++) {
      const std::int64_t begin = block * kBlock, last = begin + kBlock - 1;
      x.clear();
      for (std::int64_t place = begin; place < last; place += options_.stride) x.push_back(input(place));
      x.push_back(input(last));
      exact.resize(x.size());
      y.resize(x.size());
      std::size_t row = 0;
      for (const Function& f : kFunctions) {
        std::transform(x.begin(), x.end(), exact.begin(), [&](float v) { return f.exact(v); });
        for (std::size_t isa = 0; isa < tables_.size(); ++isa, ++row) {
          tables_[isa]->activate(f.kind, x.data(), static_cast<std::ptrdiff_t>(x.size()), y.data());
          if (isa == 0) first = y;
          if (isa == planted_isa) plant(options_.planted, x, y);
          check_block(f, x, exact, y, isa > 0 ? &first : nullptr, found[row], stretches_[row][block]);
        }
      }
    }
  }

  // Steps back from one block to a later one.
  static void join(const std::vector<Stretch>& blocks, Findings& found) {
    std::int64_t highest = -kInputs;
    for (const Stretch& block : blocks) {
      if (highest > block.lowest + found.step_back) {
        found.step_back = highest - block.lowest;
        found.step_at = block.lowest_at;
      }
      if (highest > block.lowest + kStepBack) found.breaks(Monotone, block.lowest_at);
      highest = std::max(highest, block.highest);
    }
  }

  bool report() const {
    std::printf("%-9s%-10s%12s %8s %-15s%10s %-15s%12s%7s  %s\n", "function", "isa", "inputs", "ulp", "at x",
                "step back", "at x", "other bits", "apart", "verdict");
    for (std::size_t row = 0; row < findings_.size(); ++row) {
      const Findings& f = findings_[row];
      const bool right = std::all_of(f.broken, f.broken + kRules, [](std::uint64_t count) { return count == 0; });
      std::printf("%-9s%-10s%12llu %8.3f %-15.8g%10lld %-15.8g%12llu%7lld  %s\n", function(row), isa(row),
                  static_cast<unsigned long long>(f.checked), f.ulps, f.ulps_at, static_cast<long long>(f.step_back),
                  f.step_at, static_cast<unsigned long long>(f.other_bits), static_cast<long long>(f.apart),
                  right ? "right" : "WRONG");
    }
    bool all_right = true;
    for (std::size_t row = 0; row < findings_.size(); ++row) {
      for (int rule = 0; rule < kRules; ++rule) {
        if (findings_[row].broken[rule] == 0) continue;
        all_right = false;
        std::printf("%s on %s breaks '%s' at %llu inputs, one of them %.9g\n", function(row), isa(row),
                    kRuleNames[rule], static_cast<unsigned long long>(findings_[row].broken[rule]),
                    findings_[row].first[rule]);
      }
    }
    return all_right;
  }

  const char* function(std::size_t row) const { return kFunctions[row / tables_.size()].name; }
  const char* isa(std::size_t row) const { return tables_[row % tables_.size()]->name; }

  const Options options_;
  const std::vector<const Kernels*>& tables_;
  std::atomic<std::int64_t> next_{0};
  std::vector<std::vector<Stretch>> stretches_;  // [function and instruction set][block]
  std::vector<Findings> findings_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    const auto* rule = std::find(kRuleNames, kRuleNames + kRules, value);
    if (option == "--threads" && std::atoi(value.c_str()) > 0) {
      options.threads = std::atoi(value.c_str());
    } else if (option == "--stride" && std::atoi(value.c_str()) > 0) {
      options.stride = std::atoi(value.c_str());
    } else if (option == "--plant" && rule != kRuleNames + kRules) {
      options.planted = static_cast<Rule>(rule - kRuleNames);
    } else {
      std::printf("expected --threads N, --stride K or --plant RULE, got %s %s\n", option.c_str(), value.c_str());
      return 2;
    }
  }
  return Check(options).run() ? 0 : 1;
}
