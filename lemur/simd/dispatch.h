// How a loop that is built for several instruction sets is called.
//
// A source of this room is compiled once for each set (hwy/foreach_target.h): what lies between
// HWY_BEFORE_NAMESPACE and HWY_AFTER_NAMESPACE, in HWY_NAMESPACE. HWY_EXPORT lists the builds.
#pragma once

#include <hwy/highway.h>

#include "lemur/simd/path.h"

/// The build of an exported function for simd::path().
#define LEMUR_DISPATCH(function) (::lemur::simd::path(), HWY_DYNAMIC_DISPATCH(function))

/// Repeats code with 0, 1, ...: vectors of unknown size (SVE) cannot lie in arrays.
#define LEMUR_REPEAT_4(code) code(0) code(1) code(2) code(3)
#define LEMUR_REPEAT_8(code) LEMUR_REPEAT_4(code) code(4) code(5) code(6) code(7)
#define LEMUR_REPEAT_12(code) LEMUR_REPEAT_8(code) code(8) code(9) code(10) code(11)
