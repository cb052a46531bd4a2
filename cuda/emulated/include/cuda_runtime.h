// In place of CUDA's own header: compiles the .cu sources as C++ for an emulated device, so that they are tested on
// machines without a GPU.
//
// By CMake: -DCONVLET_CUDA=EMULATE. By hand, from the root of the sources, which takes seconds:
//   g++ -std=c++17 -O2 -ffp-contract=off -Wno-unknown-pragmas -Icuda/emulated/include -Icpp/include -Icpp -I. -pthread
//     -c cuda/emulated/*.cpp
// and each .cu file, with every access to memory checked, by the same flags and
//     -x c++ -fsanitize=thread -fno-tree-vectorize -fno-tree-slp-vectorize -c FILE.cu
// Then link all of them without -fsanitize. cuda/device.cu needs -DCONVLET_CUDA_ARCHITECTURES='"emulated"'.
#pragma once

#ifndef CONVLET_CUDA_EMULATED
#define CONVLET_CUDA_EMULATED
#endif

#include "cuda/emulated/api.h"
#include "cuda/emulated/language.h"
#include "cuda/emulated/launch.h"
