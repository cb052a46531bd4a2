// Every op of the device against the CPU's, over many shapes, with the threads and blocks of the emulated device in
// different orders. Forward passes and input gradients must have the CPU's bits, gradients of weights those of whole
// numbers, and of real ones a named tolerance.
//
// Usage: ops_check ORDER [NOUN...]   ORDER: ascending, descending or random; NOUN: conv2d, linear, ... (else all)
// Exit status 0 if all is right, else 1 and one line: "wrong: ..." or "finding: ..." (what the device itself noticed).
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "compare.h"
#include "cuda/emulated/emulated.h"
#include "isa/dispatch.h"

int main(int count, char** arguments) {
  using convlet::emulated::Order;
  const std::map<std::string, Order> orders{
      {"ascending", Order::Ascending}, {"descending", Order::Descending}, {"random", Order::Random}};
  const std::map<std::string, void (*)()> nouns{{"conv2d", check::conv2d},
                                                {"lenet", check::lenet},
                                                {"linear", check::linear},
                                                {"pool2d", check::pool2d},
                                                {"activation", check::activation},
                                                {"augment", check::augment},
                                                {"pack", check::pack},
                                                {"optimizer", check::optimizer},
                                                {"softmax", check::softmax},
                                                {"tile_shape", check::tile_shape},
                                                {"cross_entropy", check::cross_entropy}};
  if (count < 2 || orders.count(arguments[1]) == 0) return 2;
  convlet::emulated::set_order(orders.at(arguments[1]), 20);
  try {
    for (const auto& [noun, check] : nouns) {
      bool wanted = count == 2;
      for (int i = 2; i < count; ++i) wanted = wanted || noun == arguments[i];
      if (!wanted) continue;
      check();
      std::printf("%s is right\n", noun.c_str());
    }
  } catch (const std::exception& error) {
    std::printf("finding: %s\n", error.what());
    return 1;
  }
  return 0;
}
