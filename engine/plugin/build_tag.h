// The exact build tag: a C++ interface is only safe between modules built alike.
#pragma once

#include "json/json.h"
#include "version.h"

#define GPUPLAN_TEXT_(x) #x
#define GPUPLAN_TEXT(x) GPUPLAN_TEXT_(x)

#if defined(__SANITIZE_ADDRESS__)
#define GPUPLAN_TAG_SANITIZER "asan"
#elif defined(__SANITIZE_THREAD__)
#define GPUPLAN_TAG_SANITIZER "tsan"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GPUPLAN_TAG_SANITIZER "asan"
#elif __has_feature(thread_sanitizer)
#define GPUPLAN_TAG_SANITIZER "tsan"
#endif
#endif
#ifndef GPUPLAN_TAG_SANITIZER
#define GPUPLAN_TAG_SANITIZER "none"
#endif

#ifdef _GLIBCXX_DEBUG
#define GPUPLAN_TAG_DEBUG "debug"
#else
#define GPUPLAN_TAG_DEBUG "plain"
#endif

// "gpuplan 0.1.0; compiler 12.2.0; abi cxx11=1; containers plain; sanitizer none; json 3.11"
#define GPUPLAN_BUILD_TAG                                                                            \
  "gpuplan " GPUPLAN_VERSION "; compiler " __VERSION__ "; abi cxx11=" GPUPLAN_TEXT(_GLIBCXX_USE_CXX11_ABI) \
  "; containers " GPUPLAN_TAG_DEBUG "; sanitizer " GPUPLAN_TAG_SANITIZER                             \
  "; json " GPUPLAN_TEXT(NLOHMANN_JSON_VERSION_MAJOR) "." GPUPLAN_TEXT(NLOHMANN_JSON_VERSION_MINOR)
