#include "engine/describe.h"

#include <cstdio>

#include "convlet/tile.h"
#include "ops/conv2d_tile.h"
#include "ops/linear_tile.h"

namespace convlet {
namespace {

constexpr std::int64_t kTileBytes = kTile * std::int64_t{sizeof(float)};

void append_row(std::string& table, const std::string& layer, const std::string& output, const std::string& parameters,
                const std::string& multiply_adds, const std::string& bytes, const std::string& block) {
  char line[200];
  std::snprintf(line, sizeof line, "%-12s %-16s %12s %14s %12s %6s", layer.c_str(), output.c_str(), parameters.c_str(),
                multiply_adds.c_str(), bytes.c_str(), block.c_str());
  std::string text = line;
  text.erase(text.find_last_not_of(' ') + 1);
  table += text + '\n';
}

std::string block_of(const Stage& stage, const Kernels& kernels) {
  if (stage.layer.kind == LayerKind::Conv2d) {
    return std::to_string(Conv2dTile(stage.layer.conv, kernels).forward_block());
  }
  if (stage.layer.kind == LayerKind::Linear) {
    return std::to_string(LinearTile(stage.layer.linear, kernels).forward_block());
  }
  return "";
}

}  // namespace

std::string describe(const Plan& plan, const Kernels& kernels) {
  std::string table = "kernels " + std::string(kernels.name) + ", tiles of " + std::to_string(kTile) + " images\n";
  std::int64_t multiply_adds = 0;
  append_row(table, "layer", "output", "parameters", "multiply-adds", "tile bytes", "block");
  append_row(table, "input", plan.input().text(), "", "", std::to_string(plan.input().image.size() * kTileBytes), "");
  for (const Stage& stage : plan.stages) {
    append_row(table, name_of(stage.layer.kind), stage.out.text(), std::to_string(stage.parameters()),
               std::to_string(stage.multiply_adds),
               stage.x == stage.y ? "in place" : std::to_string(stage.out.image.size() * kTileBytes),
               block_of(stage, kernels));
    multiply_adds += stage.multiply_adds;
  }
  append_row(table, "total", "", std::to_string(plan.parameters), std::to_string(multiply_adds),
             std::to_string(plan.arena * std::int64_t{sizeof(float)}), "");
  return table;
}

}  // namespace convlet
