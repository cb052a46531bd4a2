// NCCL's library: found, loaded and called.
#include "cuda/nccl.h"

#include <dlfcn.h>

#include <cstring>
#include <map>
#include <mutex>
#include <stdexcept>

#include "cuda/memory.h"
#include "cuda/nccl_api.h"

namespace convlet::cuda {
namespace {

using namespace nccl;

constexpr int kOldest = 21300;  // 2.13; graphs with sums need 2.9

// Versions from 2.9 on are 10000 major + 100 minor + patch, older ones 1000 major.
std::string version_text(int version) {
  const int unit = version < 10000 ? 1000 : 10000;
  return std::to_string(version / unit) + "." + std::to_string(version % unit / 100) + "." +
         std::to_string(version % 100);
}

[[noreturn]] void refuse(const std::string& text) { throw std::runtime_error("NCCL cannot be used: " + text); }

template <class F>
void find(void* handle, const std::string& path, const std::string& name, F*& function) {
  function = reinterpret_cast<F*>(dlsym(handle, name.c_str()));
  if (!function) refuse(path + " has no " + name);
}

ncclComm_t comm_of(void* handle) { return static_cast<ncclComm_t>(handle); }

}  // namespace

struct NcclCommunicator::Library {
  Api api{};
  int version = 0;

  void check(const char* call, ncclResult_t result, ncclComm_t comm = nullptr) const {
    if (result == ncclSuccess) return;
    std::string text = std::string("NCCL: ") + call + ": " + api.GetErrorString(result);
    const char* more = api.GetLastError(comm);
    if (more && *more) text += ": " + std::string(more);
    throw std::runtime_error(text);
  }
};

// Libraries are never unloaded: NCCL has threads of its own.
const NcclCommunicator::Library& NcclCommunicator::load(const std::string& path) {
  static std::mutex one_at_a_time;
  static auto* loaded = new std::map<std::string, Library>;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  if (const auto known = loaded->find(path); known != loaded->end()) return known->second;
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* reason = dlerror();
    refuse(reason ? reason : path);
  }
  Library library;
  find(handle, path, "ncclGetVersion", library.api.GetVersion);
  if (library.api.GetVersion(&library.version) != ncclSuccess) refuse(path + " does not tell its version");
  if (library.version < kOldest) {
    refuse("expected version " + version_text(kOldest) + " or later, got " + version_text(library.version) + " in " +
           path);
  }
  find(handle, path, "ncclGetErrorString", library.api.GetErrorString);
  find(handle, path, "ncclGetLastError", library.api.GetLastError);
  find(handle, path, "ncclGetUniqueId", library.api.GetUniqueId);
  find(handle, path, "ncclCommInitRank", library.api.CommInitRank);
  find(handle, path, "ncclCommGetAsyncError", library.api.CommGetAsyncError);
  find(handle, path, "ncclCommDestroy", library.api.CommDestroy);
  find(handle, path, "ncclAllReduce", library.api.AllReduce);
  return loaded->emplace(path, library).first->second;
}

int nccl_version(const std::string& library) { return NcclCommunicator::load(library).version; }

std::vector<std::uint8_t> nccl_unique_id(const std::string& library) {
  const auto& loaded = NcclCommunicator::load(library);
  ncclUniqueId id;
  loaded.check("ncclGetUniqueId", loaded.api.GetUniqueId(&id));
  std::vector<std::uint8_t> bytes(sizeof id);
  std::memcpy(bytes.data(), &id, sizeof id);
  return bytes;
}

NcclCommunicator::NcclCommunicator(const std::string& library, const std::vector<std::uint8_t>& id, int rank, int size)
    : library_(load(library)) {
  ncclUniqueId sent;
  if (id.size() != sizeof sent) {
    refuse("expected an id of " + std::to_string(sizeof sent) + " bytes, got " + std::to_string(id.size()));
  }
  std::memcpy(&sent, id.data(), sizeof sent);
  const Stream own = stream();  // makes the device current, which NCCL takes
  ncclComm_t comm = nullptr;
  library_.check("ncclCommInitRank", library_.api.CommInitRank(&comm, size, sent, rank));
  comm_ = comm;
  const float one = 1.0f;  // also sets up what a recorded sum must find
  Memory<float> ones(&one, 1);
  sum(own, ones.data(), 1);
  float ranks = 0.0f;
  ones.read(&ranks, 1);
  check();
  if (ranks != static_cast<float>(size)) {
    throw std::runtime_error("NCCL: ncclAllReduce: expected the sum of " + std::to_string(size) + " ones, got " +
                             std::to_string(ranks));
  }
}

void NcclCommunicator::sum(Stream stream, float* numbers, std::int64_t count) {
  library_.check("ncclAllReduce",
                 library_.api.AllReduce(numbers, numbers, static_cast<std::size_t>(count), ncclFloat32, ncclSum,
                                        comm_of(comm_), stream),
                 comm_of(comm_));
}

void NcclCommunicator::check() const {
  ncclResult_t error = ncclSuccess;
  library_.check("ncclCommGetAsyncError", library_.api.CommGetAsyncError(comm_of(comm_), &error), comm_of(comm_));
  if (error != ncclInProgress) library_.check("a sum over the processes", error, comm_of(comm_));
}

void NcclCommunicator::finish() {
  library_.check("ncclCommDestroy", library_.api.CommDestroy(comm_of(comm_)));
  comm_ = nullptr;
}

}  // namespace convlet::cuda
