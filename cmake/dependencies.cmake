# Third-party libraries, each behind one target name.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
if(NOT LEMUR_FUZZ)
  pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
endif()
if(LEMUR_SIMD_ONLY)
  return()
endif()
find_package(tomlplusplus QUIET)
find_package(ICU REQUIRED COMPONENTS uc i18n)
find_package(tsl-robin-map REQUIRED)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux)
pkg_check_modules(SIMDJSON REQUIRED IMPORTED_TARGET simdjson)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)

if(LEMUR_FUZZ)
  return()
endif()

# DuckDB: a system library wins, else the pinned one that scripts/bootstrap.sh unpacked.
find_library(DUCKDB_LIBRARY duckdb PATHS ${CMAKE_SOURCE_DIR}/third_party/duckdb REQUIRED)
find_path(DUCKDB_INCLUDE duckdb.h PATHS ${CMAKE_SOURCE_DIR}/third_party/duckdb/src/duckdb/src/include REQUIRED NO_CMAKE_FIND_ROOT_PATH)
add_library(duckdb SHARED IMPORTED)
set_target_properties(duckdb PROPERTIES IMPORTED_LOCATION ${DUCKDB_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${DUCKDB_INCLUDE}
                                        IMPORTED_NO_SONAME TRUE)

# Gradient-boosted trees, a baseline.
pkg_check_modules(XGBOOST REQUIRED IMPORTED_TARGET xgboost)

# Products in 8 bits. LibTorch itself stands on the same library.
find_library(DNNL_LIBRARY dnnl REQUIRED)  # its own package file asks for OpenCL

# LibTorch: Debian's, or another one (CUDA) whose folder LEMUR_TORCH names.
set(LEMUR_TORCH "" CACHE PATH "Folder of a LibTorch 2.x to build against instead of the system's")
if(LEMUR_TORCH)
  list(PREPEND CMAKE_PREFIX_PATH ${LEMUR_TORCH})
endif()
find_package(Torch REQUIRED)

# The kernels for a GPU, where LibTorch has CUDA; elsewhere stubs stand for them.
set(LEMUR_CUDA AUTO CACHE STRING "Build for CUDA: ON, OFF, or AUTO: where LibTorch has it")
set(LEMUR_WITH_CUDA OFF)
if(TORCH_CUDA_LIBRARIES OR TARGET torch_cuda)
  set(torch_has_cuda ON)
endif()
if(LEMUR_CUDA STREQUAL "ON" OR (LEMUR_CUDA STREQUAL "AUTO" AND torch_has_cuda))
  if(NOT torch_has_cuda)
    message(FATAL_ERROR "LEMUR_CUDA is ON, but this LibTorch has no CUDA: name one by LEMUR_TORCH")
  endif()
  set(LEMUR_CUDA_ARCHITECTURES 80 90 CACHE STRING "Chips that the kernels are compiled for")
  set(CMAKE_CUDA_ARCHITECTURES ${LEMUR_CUDA_ARCHITECTURES})  # LibTorch's files may have set another
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  set(LEMUR_WITH_CUDA ON)
endif()

separate_arguments(LEMUR_TORCH_FLAGS NATIVE_COMMAND "${TORCH_CXX_FLAGS}")
# at::parallel_for is a template that runs on one thread where the compiler knows no OpenMP.
find_package(OpenMP REQUIRED)
add_library(lemur_torch INTERFACE)
target_link_libraries(lemur_torch INTERFACE ${TORCH_LIBRARIES} OpenMP::OpenMP_CXX)
target_include_directories(lemur_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_compile_options(lemur_torch INTERFACE ${LEMUR_TORCH_FLAGS})
