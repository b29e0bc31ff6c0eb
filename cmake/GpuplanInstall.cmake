# What is installed besides the modules (plugins/CMakeLists.txt): the program, the library that modules
# share with it, and what a module of somebody else is built with. The whole tree can be moved.
include(CMakePackageConfigHelpers)

set(GPUPLAN_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/gpuplan)

install(TARGETS gpuplan RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS gpuplan_sdk EXPORT gpuplan LIBRARY DESTINATION ${GPUPLAN_LIBRARY_DIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gpuplan)

# The interface of modules. Headers that are not here are internal.
foreach(header
    digest/digest.h
    host/free_space.h host/guest_target.h host/host_error.h host/interrupt.h
    host/pci/boot_files.h host/pci/nvidia/driver.h host/pci/nvidia/fabric.h host/pci/nvidia/smi.h host/pci/pci.h host/pci/platform.h
    host/ports.h host/query_output.h host/routes.h host/seed/seed.h host/virsh.h host/xml/domain_xml.h
    json/json.h
    plugin/address.h plugin/build_tag.h plugin/plugin.h plugin/resource.h plugin/step_kind.h plugin/value.h
    plugin/waiting.h
    report/diagnostic.h
    report/shell.h
    spec/bdf.h spec/network_range.h spec/spec.h spec/supported_versions.h
    yaml/decode.h yaml/node.h yaml/parse.h)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES engine/${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gpuplan/${folder})
endforeach()
install(FILES ${PROJECT_BINARY_DIR}/generated/version.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/gpuplan)

# find_package(gpuplan) gives gpuplan::sdk.
install(EXPORT gpuplan NAMESPACE gpuplan:: FILE gpuplan-targets.cmake DESTINATION ${GPUPLAN_PACKAGE_DIR})
configure_package_config_file(cmake/gpuplan-config.cmake.in ${PROJECT_BINARY_DIR}/generated/gpuplan-config.cmake
                              INSTALL_DESTINATION ${GPUPLAN_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/gpuplan-config-version.cmake
                                 COMPATIBILITY ExactVersion)
install(FILES ${PROJECT_BINARY_DIR}/generated/gpuplan-config.cmake
              ${PROJECT_BINARY_DIR}/generated/gpuplan-config-version.cmake DESTINATION ${GPUPLAN_PACKAGE_DIR})

install(DIRECTORY specs DESTINATION ${CMAKE_INSTALL_DATADIR}/gpuplan)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES plugins/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/plugins)
