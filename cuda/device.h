// The GPU as the rest of the house sees it: whether there is one, its memory, and its one stream of work.
//
// Everything is queued on one stream of the process, so that operations follow each other in the order of their calls
// and only `download` and `synchronize` wait. Errors are std::runtime_error, and std::bad_alloc's kin OutOfMemory where
// the device has no more memory; their text names the operation and what CUDA said. absent.cpp has the same symbols for
// builds without CUDA.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

struct CUstream_st;

namespace convlet::cuda {

using Stream = CUstream_st*;  // what CUDA's own headers call cudaStream_t

// "" when a device can be used, otherwise the reason why not, in one line without a full stop. Asked anew by every
// call, so that a forked child learns that it cannot use its parent's device.
std::string status();

// Throws with that reason, "NAME: device 'cuda' cannot be used: ...".
void require(const char* op);

enum class Kind { Hardware, Emulated };

struct DeviceInfo {
  std::string name, bus_id;  // the latter names the hardware: "0000:3b:00.0"
  Kind kind = Kind::Hardware;
  int ordinal = 0, major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  int driver_version = 0, runtime_version = 0;  // 1000 major + 10 minor
  std::int64_t memory_bytes = 0;
  std::int64_t shared_bytes = 0;                 // a block may ask for
  std::vector<std::string> build_architectures;  // "90", "120-virtual", ...
};

DeviceInfo info();

// The devices that this process sees and this build has code for, by their ordinals.
std::vector<int> usable_devices();
// Takes that device in place of the first. Before the first use of any: throws if another is in use.
void select_device(int ordinal);

struct OutOfMemory : std::bad_alloc {
  explicit OutOfMemory(std::string text) : text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

// Memory of the device, uninitialised; given back in the order of the stream.
std::shared_ptr<void> allocate(std::size_t bytes);

// host -> device; the host's memory may be changed at once.
void upload(void* device, const void* host, std::size_t bytes);
// device -> host; waits for all that was queued before.
void download(void* host, const void* device, std::size_t bytes);
void copy(void* to, const void* from, std::size_t bytes);
// Rows of strided data, in any layout, made contiguous: sizes and strides in elements of `item_bytes` (1, 2, 4 or 8).
void gather_strided(void* to, const void* from, std::size_t item_bytes, const std::vector<std::int64_t>& sizes,
                    const std::vector<std::int64_t>& strides);
void synchronize();
// Waits for every stream of the device, those of other libraries too.
void synchronize_device();

// The stream, for libraries that share arrays with this one.
Stream stream();
// Queues a wait on our stream for what `other` has queued so far, and the other way round.
void wait_for(Stream other);
void make_wait(Stream other);

// Lets kernels use memory that another library lends, as long as the result lives. Hardware has no need of it: this is
// for the emulated device, where other memory of the host is a fault.
std::shared_ptr<void> admit(const void* address, std::size_t bytes);

// Whether an address lies on the device that is in use.
bool owns(const void* address);

}  // namespace convlet::cuda
