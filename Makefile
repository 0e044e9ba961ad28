# `make help` lists what there is to do. Everything runs in an environment of its own.
#
#   PYTHON  the Python that makes the environment    make test PYTHON=python3.12
#   VENV    the folder of the environment            make test VENV=.venv-oldest
#   PINS    more for pip to obey                     PINS="tensorflow==2.19.0"
#   ONLY    some notebooks instead of all            make notebooks ONLY=notebooks/01_*

PYTHON ?= python3
VENV ?= .venv
PINS ?=
ONLY ?=
REPO ?=

READY := $(VENV)/ready
PY := $(VENV)/bin/python

export KERAS_BACKEND := tensorflow
# Without this TensorFlow reports a machine that has no GPU as an error.
export TF_CPP_MIN_LOG_LEVEL ?= 3
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where this is set, every process would compile TensorFlow anew, which takes seconds.
export PYTHONDONTWRITEBYTECODE :=

# Where freed memory goes back to Linux at once, and comes again as empty pages, a fifth
# of the time of a training on the CPU is lost. These let glibc's malloc keep it.
export MALLOC_MMAP_THRESHOLD_ ?= 4294967296
export MALLOC_TRIM_THRESHOLD_ ?= 4294967296
export MALLOC_TOP_PAD_ ?= 67108864

# A kernel starts in its notebook's folder, where a relative path leads elsewhere.
ifneq ($(S2S_KERAS_DATA),)
FOLDER := $(patsubst ~/%,$(HOME)/%,$(S2S_KERAS_DATA))
override S2S_KERAS_DATA := $(shell CDPATH= cd "$(FOLDER)" 2>/dev/null && pwd)
ifeq ($(S2S_KERAS_DATA),)
$(error S2S_KERAS_DATA must be a folder. Received: $(FOLDER))
endif
export S2S_KERAS_DATA
endif

.DEFAULT_GOAL := help
.PHONY: help run test lab notebooks tables colab colab-test clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' Makefile

run: $(READY) ## train and use a first translator; needs a minute
	@$(PY) -m tools.notebooks show notebooks/00_quickstart.ipynb

# As many processes as cores, each with one thread: more would get in each other's way.
test: export TF_NUM_INTRAOP_THREADS := 1
test: export TF_NUM_INTEROP_THREADS := 1
test: $(READY) ## check the code and execute every notebook
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pytest -rs -n auto --dist loadfile --no-loadscope-reorder \
	--nbval --nbval-current-env tests notebooks

lab: $(READY) ## open the notebooks in JupyterLab
	$(PY) -m jupyterlab notebooks

notebooks: $(READY) ## execute every notebook again and store its outputs
	@$(PY) -m tools.notebooks store $(ONLY)

tables: $(READY) ## write the recipes' results into README and notebooks
	@$(PY) -m recipes.tables

colab: $(READY) ## let the notebooks open in Colab: make colab REPO=owner/name
	@$(PY) -m tools.notebooks stamp "$(REPO)"

colab-test: $(READY) ## execute a notebook as Colab does: alone, without the package
	@$(PY) -m tools.notebooks rehearse_colab $(or $(ONLY),notebooks/00_quickstart.ipynb)

clean: ## delete the environments and everything that the commands made
	rm -rf .venv .venv-* build dist .hypothesis .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# A PYTHON that is named, and is of another version, makes the environment anew.
VERSION_OF = $(shell $(1) -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null)
ANEW :=
ifneq ($(origin PYTHON),file)
ifneq ($(wildcard $(VENV)/pyvenv.cfg),)
ifneq ($(call VERSION_OF,$(PYTHON)),$(call VERSION_OF,$(PY)))
ANEW := --clear
endif
endif
endif

# The file says what it was made with, so that other PINS have pip run again.
# Python compiles what it imports, a small part of what pip would compile beforehand.
ifneq ($(ANEW)$(shell test -x $(PY) && cat $(READY) 2>/dev/null),ready $(PINS))
.PHONY: $(READY)
endif
$(READY): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
	|| { echo "'$(PYTHON)' is not a Python from 3.10 to 3.13, for which TensorFlow is" \
	"made. Name one that is: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; } >&2
	@{ test -z "$(ANEW)" && $(PY) -m pip --version >/dev/null 2>&1; } \
	|| $(PYTHON) -m venv $(ANEW) $(VENV) \
	|| { echo "'$(PYTHON) -m venv $(VENV)' failed. Delete $(VENV) and try again; on" \
	"Debian and Ubuntu first: apt install python3-venv"; exit 1; } >&2
	@echo "Installing what requirements.txt lists into $(VENV); this takes minutes."
	@$(PY) -m pip install --quiet --no-compile --upgrade -r requirements.txt $(foreach pin,$(PINS),'$(pin)')
	@echo "ready $(PINS)" > $@
