// A library that stands in for NCCL where there are no GPUs: sums over processes of one host, by way of rank 0, in the
// order of the ranks. It takes what NCCL takes and refuses what NCCL refuses.
//
// It queues its work on the emulated device, whose module STAND_IN_CUDA names. STAND_IN_VERSION is the version that it
// claims; STAND_IN_FAIL, "RANK:SUM", lets that sum of that rank fail as if a cable had been pulled.
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cuda/nccl_api.h"

using namespace convlet::cuda::nccl;

namespace {

constexpr auto kSystemError = static_cast<ncclResult_t>(2), kInvalidArgument = static_cast<ncclResult_t>(4),
               kInvalidUsage = static_cast<ncclResult_t>(5), kRemoteError = static_cast<ncclResult_t>(6);

std::string last_error;

ncclResult_t fail(ncclResult_t result, const std::string& text) {
  last_error = text;
  return result;
}

// What each rank says before its numbers: rank 0 compares.
struct Header {
  std::uint64_t number, count;
};

bool send_all(int socket, const void* data, std::size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t sent = send(socket, at, bytes, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += sent, bytes -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool receive_all(int socket, void* data, std::size_t bytes) {
  auto* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t received = recv(socket, at, bytes, 0);
    if (received <= 0) return false;
    at += received, bytes -= static_cast<std::size_t>(received);
  }
  return true;
}

// A name without a file.
sockaddr_un address_of(const ncclUniqueId& id) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path + 1, id.internal, sizeof address.sun_path - 2);
  return address;
}

using HostFunction = void (*)(void*);
using LaunchHostFunction = int (*)(CUstream_st*, HostFunction, void*);

LaunchHostFunction launch_host_function() {
  const char* module = std::getenv("STAND_IN_CUDA");
  void* handle = module ? dlopen(module, RTLD_NOW | RTLD_NOLOAD) : nullptr;
  return handle ? reinterpret_cast<LaunchHostFunction>(dlsym(handle, "_Z18cudaLaunchHostFuncP11CUstream_stPFvPvES1_"))
                : nullptr;
}

}  // namespace

namespace convlet::cuda::nccl {

struct ncclComm {
  int rank = 0, size = 1;
  std::vector<int> sockets;  // of rank 0 to all others in their order; of the others to rank 0
  std::uint64_t sums = 0, fails_at = 0;
  ncclResult_t error = ncclSuccess;
  bool alive = true;

  struct Sum {
    ncclComm* comm;
    float* numbers;
    std::size_t count;
  };
  std::vector<std::unique_ptr<Sum>> queued;

  void run(float* numbers, std::size_t count) {
    if (!alive) {
      std::fputs("stand-in for NCCL: a sum was launched after ncclCommDestroy\n", stderr);
      std::abort();
    }
    if (error != ncclSuccess) return;
    if (++sums == fails_at || !exchange(numbers, count)) error = fail(kRemoteError, "a cable was pulled");
  }

  bool exchange(float* numbers, std::size_t count) {
    const Header own{sums, count};
    const std::size_t bytes = count * sizeof(float);
    if (rank != 0) {
      return send_all(sockets[0], &own, sizeof own) && send_all(sockets[0], numbers, bytes) &&
             receive_all(sockets[0], numbers, bytes);
    }
    std::vector<float> theirs(count);
    for (const int socket : sockets) {
      Header header{};
      if (!receive_all(socket, &header, sizeof header)) return false;
      if (header.number != own.number || header.count != own.count) {
        std::fprintf(stderr, "stand-in for NCCL: sum %lu of %lu numbers met sum %lu of %lu\n", own.number, own.count,
                     header.number, header.count);
        std::abort();
      }
      if (!receive_all(socket, theirs.data(), bytes)) return false;
      for (std::size_t i = 0; i < count; ++i) numbers[i] += theirs[i];
    }
    for (const int socket : sockets) {
      if (!send_all(socket, numbers, bytes)) return false;
    }
    return true;
  }

  bool accept_all(const sockaddr_un& address) {
    const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return false;
    listen(listener, size);
    sockets.resize(static_cast<std::size_t>(size) - 1);
    for (int i = 1; i < size; ++i) {
      const int other = accept(listener, nullptr, nullptr);
      int who[2] = {};
      if (!receive_all(other, who, sizeof who) || who[1] != size || who[0] < 1 || who[0] >= size) return false;
      sockets[static_cast<std::size_t>(who[0]) - 1] = other;
    }
    close(listener);
    return true;
  }

  bool join(const sockaddr_un& address) {
    sockets = {socket(AF_UNIX, SOCK_STREAM, 0)};
    for (int attempt = 0; attempt < 2000; ++attempt) {
      if (connect(sockets[0], reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        const int who[2] = {rank, size};
        return send_all(sockets[0], who, sizeof who);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
};

}  // namespace convlet::cuda::nccl

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  const char* claimed = std::getenv("STAND_IN_VERSION");
  *version = claimed ? std::atoi(claimed) : 22903;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclSuccess ? "no error" : result == kRemoteError ? "remote process exited" : "an error";
}

const char* ncclGetLastError(ncclComm_t) { return last_error.c_str(); }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static int made = 0;
  std::memset(id, 0, sizeof *id);
  std::snprintf(id->internal, sizeof id->internal, "convlet-nccl-stand-in-%d-%d", getpid(), made++);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int size, ncclUniqueId id, int rank) {
  if (size < 1 || rank < 0 || rank >= size) return fail(kInvalidArgument, "rank out of range");
  auto fresh = std::make_unique<ncclComm>();
  fresh->rank = rank;
  fresh->size = size;
  int failing_rank = 0;
  unsigned long sum = 0;
  const char* failing = std::getenv("STAND_IN_FAIL");
  if (failing && std::sscanf(failing, "%d:%lu", &failing_rank, &sum) == 2 && failing_rank == rank) {
    fresh->fails_at = sum;
  }
  const sockaddr_un address = address_of(id);
  if (size > 1 && !(rank == 0 ? fresh->accept_all(address) : fresh->join(address))) {
    return fail(kSystemError, "the others did not come");
  }
  *comm = fresh.release();
  return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  if (!comm || !comm->alive) return fail(kInvalidArgument, "no communicator");
  *error = comm->error;
  return ncclSuccess;
}

// Waits for all others, as NCCL does; the memory stays, so that a late launch is noticed.
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (!comm || !comm->alive) return fail(kInvalidArgument, "no communicator");
  float nothing = 0;
  comm->sums = ~std::uint64_t{0};
  const bool together = comm->error != ncclSuccess || comm->exchange(&nothing, 1);
  comm->alive = false;
  for (const int socket : comm->sockets) close(socket);
  return together ? ncclSuccess : fail(kRemoteError, "the others are gone");
}

ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, CUstream_st* stream) {
  static const LaunchHostFunction launch = launch_host_function();
  if (!launch) return fail(kSystemError, "STAND_IN_CUDA names no module with the emulated device");
  if (!comm || !comm->alive) return fail(kInvalidArgument, "no communicator");
  if (!from || from != to || count == 0) return fail(kInvalidArgument, "not numbers in place");
  if (type != ncclFloat32 || op != ncclSum) return fail(kInvalidUsage, "not a sum of float32");
  comm->queued.push_back(std::make_unique<ncclComm::Sum>(ncclComm::Sum{comm, static_cast<float*>(to), count}));
  const auto run = [](void* data) {
    const auto* sum = static_cast<ncclComm::Sum*>(data);
    sum->comm->run(sum->numbers, sum->count);
  };
  return launch(stream, run, comm->queued.back().get()) == 0 ? ncclSuccess : fail(kSystemError, "the stream failed");
}
}
