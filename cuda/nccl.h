// Sums over the GPUs of several processes, one a process, by NVIDIA's library NCCL, which is loaded when it is asked
// for. Errors are std::runtime_error; their text names what was called and what NCCL said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cuda/device.h"

namespace convlet::cuda {

// The version of a library, 22903 for 2.29.3; `library` is a path, or a name that the system's loader finds.
int nccl_version(const std::string& library);

// What one process sends to all others, so that they find each other.
std::vector<std::uint8_t> nccl_unique_id(const std::string& library);

// One process's end of the connection.
//
// Its end of life is `finish`, and not the destructor: NCCL's ncclCommDestroy is collective, and so is ncclCommAbort
// ("all active ranks are required to call this function"), so a process that has lost the others would wait in either
// for ever. After an error the connection is left to the end of the process.
// Source: https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/api/comms.html
class NcclCommunicator {
 public:
  // Waits until all processes have come, and for a first sum, which has to be right.
  NcclCommunicator(const std::string& library, const std::vector<std::uint8_t>& id, int rank, int size);
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  // Queues the sum of `count` numbers over all processes, in place.
  void sum(Stream stream, float* numbers, std::int64_t count);
  // Throws if a sum that was queued has failed: the stream would never come to its end.
  void check() const;
  // Ends the connection, by all processes. Graphs that were recorded with it must be gone, since NCCL waits for that.
  void finish();

 private:
  struct Library;
  static const Library& load(const std::string& path);
  friend int nccl_version(const std::string& library);
  friend std::vector<std::uint8_t> nccl_unique_id(const std::string& library);

  const Library& library_;
  void* comm_ = nullptr;
};

}  // namespace convlet::cuda
