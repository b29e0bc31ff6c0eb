# Every library gpuplan stands on. Each is packaged in Debian 12 and Ubuntu 22.04 and 24.04 (scripts/setup).
find_package(Threads REQUIRED)
find_package(Boost 1.74 REQUIRED COMPONENTS filesystem graph program_options)
find_package(yaml-cpp 0.7 REQUIRED)
find_package(spdlog REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBVIRT REQUIRED IMPORTED_TARGET libvirt>=8.0)
pkg_check_modules(LIBVIRT_QEMU REQUIRED IMPORTED_TARGET libvirt-qemu>=8.0)  # guest agents
pkg_check_modules(PUGIXML REQUIRED IMPORTED_TARGET pugixml)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(LIBARCHIVE REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(LIBPCI REQUIRED IMPORTED_TARGET libpci)

# yaml-cpp 0.7 exports its target without a namespace, 0.8 with one.
if(TARGET yaml-cpp::yaml-cpp)
  set(GPUPLAN_YAML_CPP yaml-cpp::yaml-cpp)
else()
  set(GPUPLAN_YAML_CPP yaml-cpp)
endif()
