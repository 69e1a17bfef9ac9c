# Target `xxhash`, header only: the system's xxhash.h (libxxhash-dev), else the one in the Python package's sources.
set(xxhash_version 4.1.0)
find_path(XXHASH_INCLUDE_DIR xxhash.h PATHS ${CMAKE_BINARY_DIR}/xxhash-${xxhash_version}/deps/xxhash)
if(NOT XXHASH_INCLUDE_DIR)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -m pip download --quiet --no-deps --no-binary xxhash
      --dest ${CMAKE_BINARY_DIR} xxhash==${xxhash_version}
    RESULT_VARIABLE xxhash_failed)
  if(xxhash_failed)
    message(FATAL_ERROR "lmgc_torch: xxhash.h is neither installed (Debian: libxxhash-dev) nor could pip fetch it")
  endif()
  file(ARCHIVE_EXTRACT INPUT ${CMAKE_BINARY_DIR}/xxhash-${xxhash_version}.tar.gz DESTINATION ${CMAKE_BINARY_DIR})
  find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED
    PATHS ${CMAKE_BINARY_DIR}/xxhash-${xxhash_version}/deps/xxhash)
endif()
add_library(xxhash INTERFACE)
target_include_directories(xxhash SYSTEM INTERFACE ${XXHASH_INCLUDE_DIR})
target_compile_definitions(xxhash INTERFACE XXH_INLINE_ALL)
