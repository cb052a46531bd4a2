// Streams, events and graphs of the emulated device: a missing dependency is found in one order at least, right
// programs give no finding in any, and a capture forbids what CUDA forbids. Exit status 0 if all is right, else 1 and
// the name of what is not.
#include <cstring>
#include <vector>

#include "check.h"
#include "cuda/kernels/device.cuh"
#include "cuda/runtime.h"

namespace emulated = convlet::emulated;
using namespace check;
using convlet::cuda::launch;
using convlet::cuda::line;
using convlet::cuda::thread_of_grid;

namespace {

constexpr int kCount = 64;
constexpr std::size_t kBytes = kCount * sizeof(int);

__global__ void fill(int* y, int value) { y[thread_of_grid()] = value; }
__global__ void add(const int* a, const int* b, int* y) {
  y[thread_of_grid()] = a[thread_of_grid()] + b[thread_of_grid()];
}

enum class Edge { Present, Missing };

// Two streams, two events and memory that nobody has written yet.
struct Setting {
  Setting() {
    for (cudaStream_t* stream : {&first, &second}) cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking);
    for (cudaEvent_t* event : {&fork, &join}) cudaEventCreateWithFlags(event, cudaEventDisableTiming);
    for (int** array : {&a, &b, &sum}) cudaMalloc(array, kBytes);
  }
  ~Setting() {
    cudaDeviceSynchronize();
    emulated::reset();
    for (int* array : {a, b, sum}) cudaFree(array);
    for (cudaEvent_t event : {fork, join}) cudaEventDestroy(event);
    for (cudaStream_t stream : {first, second}) cudaStreamDestroy(stream);
  }
  int result() {
    int host[kCount] = {};
    cudaMemcpy(host, sum, kBytes, cudaMemcpyDeviceToHost);
    return host[kCount - 1];
  }

  cudaStream_t first, second;
  cudaEvent_t fork, join;
  int *a, *b, *sum;
};

// a in the first stream, b in the second, their sum in the first.
void queue_sum(Setting& s, Edge edge) {
  launch("fill", fill, line(kCount, 32), s.first, s.a, 1);
  cudaEventRecord(s.fork, s.first);
  cudaStreamWaitEvent(s.second, s.fork);
  launch("fill", fill, line(kCount, 32), s.second, s.b, 2);
  cudaEventRecord(s.join, s.second);
  if (edge == Edge::Present) cudaStreamWaitEvent(s.first, s.join);
  launch("add", add, line(kCount, 32), s.first, s.a, s.b, s.sum);
}

void events() {
  const auto run = [](Edge edge) {
    return [edge] {
      Setting s;
      queue_sum(s, edge);
      cudaStreamSynchronize(s.first);
      if (edge == Edge::Present) expect(s.result() == 3, "the sum 3");
      // The setting forgets findings when it ends.
      if (const std::string finding = emulated::last_finding(); !finding.empty()) throw finding;
    };
  };
  in_every_order("events between streams", "", run(Edge::Present));
  current = "missing wait for an event";
  bool found = false;
  for (const Order order : kOrders) {
    try {
      finding_in(order, run(Edge::Missing));
    } catch (const std::string& finding) {
      expect_text(finding, "which nobody has written");
      found = true;
    }
  }
  expect(found, "a finding in one order at least");
}

// The same work captured into a graph, with the edge from b to the sum or without it.
cudaGraphExec_t captured_sum(Setting& s, Edge edge) {
  expect_error(cudaStreamBeginCapture(s.first, cudaStreamCaptureModeThreadLocal), cudaSuccess);
  queue_sum(s, edge);
  if (edge == Edge::Missing) {  // joined, but behind the sum
    cudaStreamWaitEvent(s.first, s.join);
  }
  cudaGraph_t graph;
  expect_error(cudaStreamEndCapture(s.first, &graph), cudaSuccess);
  std::size_t nodes = 0;
  cudaGraphGetNodes(graph, nullptr, &nodes);
  expect(nodes == 3, "three nodes");
  cudaGraphExec_t executable;
  expect_error(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  cudaGraphDestroy(graph);
  return executable;
}

void graphs() {
  in_every_order("a graph", "", [] {
    Setting s;
    const cudaGraphExec_t executable = captured_sum(s, Edge::Present);
    for (int run = 0; run < 2; ++run) expect_error(cudaGraphLaunch(executable, s.first), cudaSuccess);
    cudaStreamSynchronize(s.first);
    expect_text(emulated::last_finding(), "");
    expect(s.result() == 3, "the sum 3");
    cudaGraphExecDestroy(executable);
  });
  current = "missing edge in a graph";
  bool found = false;
  for (const Order order : kOrders) {
    emulated::set_order(order);
    Setting s;
    const cudaGraphExec_t executable = captured_sum(s, Edge::Missing);
    cudaGraphLaunch(executable, s.first);
    cudaStreamSynchronize(s.first);
    found = found || !emulated::last_finding().empty();
    emulated::reset();
    cudaGraphExecDestroy(executable);
  }
  expect(found, "a finding in one order at least");
}

void captures() {
  current = "what a capture forbids";
  emulated::set_order(Order::Ascending);
  Setting s;
  cudaGraph_t graph;
  void* memory;
  const auto begin = [&] {
    expect_error(cudaStreamBeginCapture(s.first, cudaStreamCaptureModeGlobal), cudaSuccess);
    launch("fill", fill, line(kCount, 32), s.first, s.a, 1);
  };
  const auto end = [&](cudaError_t expected) {
    expect_error(cudaStreamEndCapture(s.first, &graph), expected);
    if (expected == cudaSuccess) cudaGraphDestroy(graph);
    cudaGetLastError();
  };
  begin();
  expect_error(cudaStreamSynchronize(s.first), cudaErrorStreamCaptureUnsupported);
  end(cudaErrorStreamCaptureInvalidated);
  begin();
  expect_error(cudaDeviceSynchronize(), cudaErrorStreamCaptureUnsupported);
  end(cudaErrorStreamCaptureInvalidated);
  begin();
  expect_error(cudaMalloc(&memory, 16), cudaErrorStreamCaptureUnsupported);
  end(cudaErrorStreamCaptureInvalidated);
  begin();
  cudaEventRecord(s.fork, s.first);
  cudaStreamWaitEvent(s.second, s.fork);
  launch("fill", fill, line(kCount, 32), s.second, s.b, 1);
  end(cudaErrorStreamCaptureUnjoined);
  cudaEventRecord(s.join, s.second);
  begin();
  expect_error(cudaStreamWaitEvent(s.first, s.join), cudaErrorStreamCaptureIsolation);
  end(cudaErrorStreamCaptureInvalidated);
  begin();
  cudaEventRecord(s.fork, s.first);
  end(cudaSuccess);
  expect_error(cudaStreamWaitEvent(s.second, s.fork), cudaErrorCapturedEvent);
  expect_error(cudaStreamEndCapture(s.first, &graph), cudaErrorIllegalState);
  expect_error(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
}

void transfers() {
  current = "when copies read the host's memory";
  emulated::set_order(Order::Ascending);
  Setting s;
  int* pinned;
  expect_error(cudaMallocHost(&pinned, kBytes), cudaSuccess);
  std::vector<int> plain(kCount, 5);
  for (int i = 0; i < kCount; ++i) pinned[i] = 5;
  cudaMemcpyAsync(s.a, plain.data(), kBytes, cudaMemcpyHostToDevice, s.first);
  cudaMemcpyAsync(s.b, pinned, kBytes, cudaMemcpyHostToDevice, s.first);
  plain.assign(kCount, 7);
  for (int i = 0; i < kCount; ++i) pinned[i] = 7;
  launch("add", add, line(kCount, 32), s.first, s.a, s.b, s.sum);
  expect_error(cudaStreamQuery(s.first), cudaErrorNotReady);
  cudaStreamSynchronize(s.first);
  expect(s.result() == 12, "5 from plain memory and 7 from pinned memory");
  expect_error(cudaMemcpy(pinned, s.a, kBytes, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  expect_error(cudaFreeHost(pinned), cudaSuccess);

  current = "memory in the order of streams";
  const auto share = [&](Edge edge) {
    int* memory;
    expect_error(cudaMallocAsync(&memory, kBytes, s.first), cudaSuccess);
    cudaEventRecord(s.fork, s.first);
    if (edge == Edge::Present) cudaStreamWaitEvent(s.second, s.fork);
    launch("fill", fill, line(kCount, 32), s.second, memory, 1);
    cudaStreamSynchronize(s.second);
    expect_error(cudaFreeAsync(memory, s.first),
                 emulated::last_finding().empty() ? cudaSuccess : cudaErrorIllegalAddress);
  };
  expect_text(finding_in(Order::Descending, [&] { share(Edge::Present); }), "");
  expect_text(finding_in(Order::Descending, [&] { share(Edge::Missing); }), "yet to be allocated");
}

}  // namespace

namespace convlet::cuda {
void fail(const char* what, cudaError_t error) { wrong(std::string(what) + ": " + cudaGetErrorName(error)); }
}  // namespace convlet::cuda

int main() {
  events();
  graphs();
  captures();
  transfers();
}
