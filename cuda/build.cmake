# The sources of the device, and how they are compiled: sets cuda_sources.
#
#   CONVLET_CUDA=ON       nvcc, for every GPU that convlet supports; minutes
#   CONVLET_CUDA=AUTO     nvcc for the GPU of this machine, where there are both; otherwise as OFF
#   CONVLET_CUDA=OFF      absent.cpp
#   CONVLET_CUDA=EMULATE  the same sources as C++ on an emulated device, for tests
#
# CONVLET_CUDA_ARCHITECTURES, or CMAKE_CUDA_ARCHITECTURES, chooses other GPUs ("90-real;120", "native").
include(CheckLanguage)
file(GLOB device_sources CONFIGURE_DEPENDS cuda/*.cu cuda/kernels/*.cu)
file(GLOB emulated_sources CONFIGURE_DEPENDS cuda/emulated/*.cpp)
set(cuda_sources cuda/absent.cpp)
set(use_nvcc OFF)

# What a program prints, as a list of lines; empty where it fails.
function(lines_of result)
  set(lines "")
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE lines ERROR_QUIET
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT "${status}" STREQUAL "0")
    set(lines "")
  endif()
  string(REPLACE "\n" ";" lines "${lines}")
  set(${result} "${lines}" PARENT_SCOPE)
endfunction()

# The compute capabilities of the GPUs here, as nvidia-smi tells them: "75;90".
function(find_gpus result)
  set(capabilities "")
  find_program(NVIDIA_SMI nvidia-smi)
  if(NVIDIA_SMI)
    lines_of(capabilities ${NVIDIA_SMI} --query-gpu=compute_cap --format=csv,noheader)
    list(REMOVE_DUPLICATES capabilities)
    string(REPLACE "." "" capabilities "${capabilities}")
  endif()
  set(${result} "${capabilities}" PARENT_SCOPE)
endfunction()

# The first argument, or else of `capabilities` those that this nvcc knows, each with `suffix`.
function(choose_architectures chosen capabilities suffix)
  if(NOT chosen)
    lines_of(known ${CMAKE_CUDA_COMPILER} --list-gpu-code)
    foreach(capability IN LISTS capabilities)
      if("sm_${capability}" IN_LIST known)
        list(APPEND chosen ${capability}${suffix})
        set(newest ${capability})
      endif()
    endforeach()
    if(suffix)  # and PTX for the GPUs after the newest
      list(APPEND chosen ${newest}-virtual)
    endif()
  endif()
  set(CMAKE_CUDA_ARCHITECTURES "${chosen}" PARENT_SCOPE)
endfunction()

if(CONVLET_CUDA MATCHES "^(AUTO|ON)$")
  set(chosen "${CMAKE_CUDA_ARCHITECTURES}")
  if(CONVLET_CUDA_ARCHITECTURES)
    set(chosen "${CONVLET_CUDA_ARCHITECTURES}")
  elseif(DEFINED ENV{CONVLET_CUDA_ARCHITECTURES})
    set(chosen "$ENV{CONVLET_CUDA_ARCHITECTURES}")
  endif()
  find_gpus(gpus)
  if(CONVLET_CUDA STREQUAL "ON" OR chosen OR gpus)
    check_language(CUDA)
  endif()
  if(CMAKE_CUDA_COMPILER AND CONVLET_CUDA STREQUAL "AUTO")
    choose_architectures("${chosen}" "${gpus}" "")
  elseif(CMAKE_CUDA_COMPILER)
    choose_architectures("${chosen}" "75;80;86;89;90;100;120" "-real")
  elseif(CONVLET_CUDA STREQUAL "ON")
    message(FATAL_ERROR "CONVLET_CUDA=ON: expected CUDA's compiler nvcc, working with ${CMAKE_CXX_COMPILER}, in PATH "
                        "or in the environment variable CUDACXX; found none")
  endif()
  if(CMAKE_CUDA_COMPILER AND CMAKE_CUDA_ARCHITECTURES)
    set(use_nvcc ON)
  else()
    message(STATUS "CONVLET_CUDA=AUTO: no GPU here that nvcc can compile for, so without CUDA")
  endif()
elseif(NOT CONVLET_CUDA MATCHES "^(OFF|EMULATE)$")
  message(FATAL_ERROR "CONVLET_CUDA: expected AUTO, ON, OFF or EMULATE, got '${CONVLET_CUDA}'")
endif()

# Contraction stays off here too: an FMA is written as one.
if(use_nvcc)
  set(CMAKE_CUDA_STANDARD 17)
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  set(CMAKE_CUDA_EXTENSIONS OFF)
  set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  enable_language(CUDA)
  set(cuda_sources ${device_sources})
  set_source_files_properties(${device_sources} PROPERTIES COMPILE_OPTIONS
    "-fmad=false;-Xcompiler=-Wall,-Wextra,-ffp-contract=off;$<$<BOOL:${CONVLET_WERROR}>:-Werror=all-warnings>")
  string(REPLACE ";" "," architectures "${CMAKE_CUDA_ARCHITECTURES}")
  set_source_files_properties(cuda/device.cu PROPERTIES COMPILE_DEFINITIONS
    "CONVLET_CUDA_ARCHITECTURES=\"${architectures}\"")
  message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")
elseif(CONVLET_CUDA STREQUAL "EMULATE")
  message(WARNING "CONVLET_CUDA=EMULATE: the device is emulated, for tests; this build is not for use")
  set(cuda_sources ${device_sources} ${emulated_sources})
  # Vectors would read between the elements of strided rows, which looks like a fault.
  set(emulated_options -x c++ -O2 -fno-tree-vectorize -fno-tree-slp-vectorize -Wno-unknown-pragmas)
  if(NOT CONVLET_SANITIZE)  # calls of cuda/emulated/hooks.cpp before every access to memory
    list(APPEND emulated_options -fsanitize=thread)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      list(APPEND emulated_options --param=tsan-instrument-func-entry-exit=0)
    else()
      list(APPEND emulated_options "SHELL:-mllvm -tsan-instrument-func-entry-exit=0")
    endif()
  endif()
  set_source_files_properties(${device_sources} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${emulated_options}")
  set_source_files_properties(${cuda_sources} PROPERTIES
    INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/cuda/emulated/include"
    COMPILE_DEFINITIONS "CONVLET_CUDA_EMULATED;CONVLET_CUDA_ARCHITECTURES=\"emulated\"")
endif()
