// The part of NCCL's interface that this room calls, with NCCL's names, numbers and layouts, which have stayed as they
// are since version 2.13. Its library is loaded when it is asked for, so there are pointers to its functions here.
//
// Source: https://github.com/NVIDIA/nccl, src/nccl.h.in; tests/distributed/test_nccl_library.py compares the two.
#pragma once

#include <cstddef>

struct CUstream_st;

namespace convlet::cuda::nccl {

struct ncclComm;  // what connects the processes
using ncclComm_t = ncclComm*;

struct ncclUniqueId {
  char internal[128];
};

enum ncclResult_t { ncclSuccess = 0, ncclInProgress = 7 };  // all others are errors
enum ncclDataType_t { ncclFloat32 = 7 };
enum ncclRedOp_t { ncclSum = 0 };

struct Api {
  ncclResult_t (*GetVersion)(int* version);
  const char* (*GetErrorString)(ncclResult_t result);
  const char* (*GetLastError)(ncclComm_t comm);
  ncclResult_t (*GetUniqueId)(ncclUniqueId* id);
  ncclResult_t (*CommInitRank)(ncclComm_t* comm, int size, ncclUniqueId id, int rank);
  ncclResult_t (*CommGetAsyncError)(ncclComm_t comm, ncclResult_t* error);
  ncclResult_t (*CommDestroy)(ncclComm_t comm);
  ncclResult_t (*AllReduce)(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                            ncclComm_t comm, CUstream_st* stream);
};

}  // namespace convlet::cuda::nccl
