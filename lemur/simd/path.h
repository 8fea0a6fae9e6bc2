// The instruction set that the loops of this room run on.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lemur::simd {

/// Returns the name of the path that every loop of the process takes: `portable`, `sse4`, `avx2`
/// (with FMA), `avx512` (F, BW, DQ, VL); on ARM `neon`, `sve`. It is chosen at the first call: what
/// the variable LEMUR_CPU names, else the best that the processor has. Throws InvalidArgument, at
/// every call, where LEMUR_CPU names none of available_paths(). Any thread.
const std::string& path();

/// Returns the paths that this build and this processor have, the best one first.
std::vector<std::string> available_paths();

/// Returns what path() would be if LEMUR_CPU were `wanted` (null, empty: not set), with its errors.
std::string path_for(const char* wanted);

/// Returns variables, name and value, that bring the libraries beside us (OpenBLAS, LibTorch,
/// oneDNN) to the instructions of path(). They read them when they are loaded.
std::vector<std::pair<std::string, std::string>> library_settings();

}  // namespace lemur::simd
