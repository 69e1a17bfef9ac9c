# Target `torch`: headers and libraries of the Torch that Python imports.
# find_package(Torch) is not used: a CUDA wheel's configuration fails on a machine without the toolkit.
execute_process(
  COMMAND ${Python_EXECUTABLE} -c
    "import torch, torch.utils.cpp_extension as e; print(torch.__version__, *e.include_paths(), sep=';'); print(*e.library_paths(), sep=';'); print(int(torch.version.cuda is not None))"
  OUTPUT_VARIABLE torch_answer OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE torch_failed)
if(torch_failed)
  message(FATAL_ERROR "lmgc_torch: ${Python_EXECUTABLE} cannot import torch; install torch>=2.11 into that environment first")
endif()
string(REPLACE "\n" "|" torch_answer "${torch_answer}")
string(REGEX REPLACE "^([^|]*)\\|.*$" "\\1" torch_includes "${torch_answer}")
string(REGEX REPLACE "^[^|]*\\|([^|]*)\\|.*$" "\\1" torch_library_dirs "${torch_answer}")
string(REGEX REPLACE "^.*\\|" "" torch_cuda "${torch_answer}")
list(POP_FRONT torch_includes torch_version)

add_library(torch INTERFACE)
target_include_directories(torch SYSTEM INTERFACE ${torch_includes})
target_compile_definitions(torch INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
target_link_directories(torch INTERFACE ${torch_library_dirs})
target_link_libraries(torch INTERFACE c10 torch_cpu torch_python)
target_link_options(torch INTERFACE -Wl,--as-needed)
message(STATUS "lmgc_torch: Torch ${torch_version}")
