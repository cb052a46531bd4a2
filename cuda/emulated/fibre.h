// Fibres: threads of a block that take turns on one thread of the host. A switch saves the registers that a call keeps
// and changes the stack, in a few instructions for each processor that the project supports.
#pragma once

#include <cstddef>
#include <vector>

namespace convlet::emulated {

// A stack with an unmapped page below it.
class Stack {
 public:
  static constexpr std::size_t kBytes = 256 * 1024;
  Stack();
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  char* bottom() const { return bottom_; }
  char* top() const { return bottom_ + kBytes; }
  bool holds(std::size_t address) const { return address - reinterpret_cast<std::size_t>(bottom_) < kBytes; }

  void* sanitizer_fibre = nullptr;  // ThreadSanitizer's name of it

 private:
  char* mapping_;
  char* bottom_;
};

// What the host's thread itself was doing, and any number of fibres that it can enter and leave.
class Fibres {
 public:
  using Function = void (*)(void* argument);

  // Starts function(argument) on a stack, until it leaves or ends.
  void start(Stack* stack, Function function, void* argument);
  // Goes on where the fibre on this stack left off.
  void resume(Stack* stack, void* position);
  // From within a fibre, back to the host; the position to resume from is stored.
  void leave(void** position);
  // From within a fibre, at its end or to abandon it.
  [[noreturn]] void end();

  // Stacks are kept from launch to launch.
  Stack* take();
  void give_back(Stack* stack) { free_.push_back(stack); }
  // Takes back all stacks, whatever ran on them.
  void abandon();

 private:
  static void main();
  void enter(Stack* stack, void* position);

  std::vector<Stack*> all_, free_;
  Stack* running_ = nullptr;
  void* host_ = nullptr;  // where start and resume go on
  // For the sanitizers:
  [[maybe_unused]] void* host_fibre_ = nullptr;
  [[maybe_unused]] void* host_fake_stack_ = nullptr;
  [[maybe_unused]] const void* host_bottom_ = nullptr;
  [[maybe_unused]] std::size_t host_bytes_ = 0;
  Function function_ = nullptr;
  void* argument_ = nullptr;
};

Fibres& fibres();

}  // namespace convlet::emulated
