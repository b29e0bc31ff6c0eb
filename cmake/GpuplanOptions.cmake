# How every target of gpuplan is compiled.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
# gpuplan waits for disks, guests and other programs: -O3 gains nothing, and at it g++ 12 warns falsely of std::string.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib/gpuplan)
set(GPUPLAN_LIBRARY_DIR ${CMAKE_INSTALL_LIBDIR}/gpuplan)

option(GPUPLAN_WARNINGS_ARE_ERRORS "Stop at compiler warnings" ON)
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
                    -Wconversion -Wno-sign-conversion -Wno-missing-field-initializers)
if(GPUPLAN_WARNINGS_ARE_ERRORS)
  add_compile_options(-Werror)
endif()

set(GPUPLAN_SANITIZE "" CACHE STRING "Sanitizers to build with: 'address,undefined' or 'thread'")
if(GPUPLAN_SANITIZE)
  # g++ 12 warns falsely of uninitialized members in std::regex when it instruments.
  add_compile_options(-fsanitize=${GPUPLAN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
                      $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  add_link_options(-fsanitize=${GPUPLAN_SANITIZE})
endif()

option(GPUPLAN_FUZZERS "Build the fuzz targets of tests/fuzz; needs clang with its libFuzzer" OFF)
if(GPUPLAN_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "GPUPLAN_FUZZERS needs clang++: configure with the preset `fuzz`")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Hardening, where no sanitizer replaces it.
if(NOT GPUPLAN_SANITIZE)
  add_compile_options(-fstack-protector-strong)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    add_compile_definitions(_FORTIFY_SOURCE=2)
  endif()
  add_link_options(-Wl,-z,relro,-z,now)
endif()

# PIE as well as PIC: check_pie_supported makes CMake pass -pie.
include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)

configure_file(${PROJECT_SOURCE_DIR}/cmake/version.h.in ${PROJECT_BINARY_DIR}/generated/version.h @ONLY)
