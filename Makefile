# make demo   find a ticket on real images, transfer it, export it; on Keras 3: make demo BACKEND=jax
# make test   what a change can break: five to seven minutes on two cores; the engine's on JAX too; on each backend: make test BACKENDS="tensorflow jax torch"
#             the engine of Keras 3 on the newest Keras, pre-releases included: make test KERAS=PRE
# make test-all  that and the matrix of layers, optimizers, formats and backends, the wheel and several machines: about twenty minutes
# make bench  every benchmark, into benchmarks/README.md, on TFDS data in DATA_DIR=...: about an hour
# make device what always holds, on the accelerator here, with each backend that is installed: some minutes
# make stress the slow combinations, and kill -9 of searches, transfers, studies, tuning and workers at random moments: about half an hour
# make docs   the documentation, into build/site; make links tries the addresses of other sites in it
# Each makes .venv by itself, once. Another Python: make test PYTHON=python3.12

SHELL := bash
PYTHON ?= python3
# A Keras that is not released yet has a place of its own.
VENV := .venv$(if $(filter PRE,$(KERAS)),-pre)
PY := $(VENV)/bin/python
READY := $(VENV)/.installed
BACKENDS ?= jax
# Tests start many processes; each would compile the package anew where bytecode is not kept.
export PYTHONDONTWRITEBYTECODE :=
# PyTorch is large, so it is installed only where it is asked for.
TORCH := $(if $(filter torch,$(BACKENDS) $(BACKEND)),$(VENV)/.torch)

.PHONY: newest demo test test-all bench device stress docs links clean

demo: $(READY) $(TORCH)
	@$(PY) -m apps.demo $(if $(BACKEND),--backend=$(BACKEND))

test: TESTS := not stress and not matrix
test-all: TESTS := not stress
test test-all: $(READY) $(TORCH) $(if $(filter PRE,$(KERAS)),newest)
	@$(PY) -m ruff check -q . && $(PY) -m ruff format -q --check . && $(PY) -m mypy
	@$(if $(filter PRE,$(KERAS)),,echo "tf_keras, and all that is no engine's" && $(PY) -m pytest -q -m "$(TESTS)" -n 2 --dist worksteal tests)
	@for backend in $(BACKENDS); do echo "Keras 3 on $$backend"; LOTTERY_KERAS=keras KERAS_BACKEND=$$backend \
	  $(PY) -m pytest -q -m "($(TESTS)) and (engine$$(test $$backend != jax || echo " or keras3"))" -n 2 --dist worksteal \
	  $$(grep -rlE --include='test_*.py' 'mark\.(engine|keras3)' tests) || exit 1; done

bench: $(READY) $(VENV)/.torch
	@$(PY) benchmarks/step.py && $(PY) benchmarks/boundary.py && $(PY) benchmarks/memory.py && $(PY) benchmarks/input.py
	@for whole in search where; do $(PY) benchmarks/$$whole.py $(if $(DATA_DIR),--data_dir=$(DATA_DIR)) || exit 1; done
	@$(PY) benchmarks/bound.py && $(PY) benchmarks/backends.py && $(PY) benchmarks/start.py && $(PY) benchmarks/summary.py

device: $(READY)
	@$(PY) benchmarks/device.py && $(PY) benchmarks/summary.py

stress: $(READY)
	@$(PY) -m pytest -q -m stress tests
	@$(PY) tests/support/stress_resume.py && $(PY) tests/support/stress_study.py

# Kernels that run notebooks say much on the terminal; Sphinx's own warnings are in a file.
docs: $(VENV)/.docs
	@echo "Running the notebooks that changed, and writing the pages (some minutes the first time)"
	@mkdir -p build && $(PY) -m sphinx -q -W --keep-going -w build/warnings.txt -d build/doctrees -b html docs build/site > build/docs.log 2>&1 \
	  || { cat build/warnings.txt; tail -n 15 build/docs.log; echo "All of the output is in build/docs.log"; exit 1; }
	@echo "The documentation is in build/site/index.html"

links: $(VENV)/.docs
	@mkdir -p build && $(PY) -m sphinx -q -D nb_execution_mode=off -b linkcheck docs build/links > build/links.log 2>&1 \
	  || { grep -h broken build/links/output.txt || tail -n 15 build/links.log; exit 1; }
	@echo "Every address was reached"

# The stamp is written last, so an install that was cut short starts again.
# pip's own output goes to a log; one line shows where it is.
$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || \
	  { echo "keras_lottery needs Python 3.10 to 3.13, and $(PYTHON) is $$(v=$$($(PYTHON) -V 2>&1) && echo "$$v" || echo not there). Name one: make PYTHON=python3.12"; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || { echo "Making $(VENV) with $$($(PYTHON) -V)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing into $(VENV) (TensorFlow is large: some minutes)"
	@set -o pipefail; $(PY) -m pip install --progress-bar off -e '.[dev]' -c constraints.txt 2>&1 | tee $(VENV)/install.log | \
	  awk -v show=$$(test -t 1 && echo 1) 'show && /^ *(Collecting|Downloading|Building|Installing)/ { printf "\r\033[K  %.70s", $$1 " " $$2; fflush() } END { if (show) printf "\r\033[K" }' \
	  || { tail -n 15 $(VENV)/install.log; echo "The install failed; all of its output is in $(VENV)/install.log"; exit 1; }
	@touch $@

# setup.cfg has the last Keras that was tested; pip tells that this one is newer, and installs it.
newest: $(READY)
	@$(PY) -m pip install -q --pre --upgrade keras && echo "Keras $$($(PY) -m pip show keras | awk '/^Version/ { print $$2 }')"

$(VENV)/.torch: $(READY)
	@echo "Installing PyTorch into $(VENV)" && $(PY) -m pip install -q -e '.[torch]' -c constraints.txt && touch $@

$(VENV)/.docs: $(READY)
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "The documentation needs Python 3.11 or newer. Name one: make clean docs PYTHON=python3.12"; exit 1; }
	@echo "Installing what the documentation takes into $(VENV)" && $(PY) -m pip install -q -e '.[docs]' -c constraints.txt && touch $@

clean:
	rm -rf .venv .venv-pre build dist *.egg-info
