# Every target sets up .venv by itself when it is missing, or older than the lists it is made from.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NOTEBOOKS := $(sort $(wildcard notebooks/*.ipynb))

.PHONY: help lab app test test-lowest test-newest export notebooks workbook bench constraints address

help:
	@echo "make lab        open the course in JupyterLab"
	@echo "make app        start the translation service on :8000 and its page on :8501;"
	@echo "                API_PORT=N and PAGE_PORT=N choose other ports"
	@echo "make test       run all tests, the notebooks among them"
	@echo "make test-lowest, make test-newest   the same with the oldest and the newest versions of"
	@echo "                everything that pyproject.toml admits, in environments of their own"
	@echo "make export     write pix2pix_lib/ from the notebooks"
	@echo "make notebooks  run all notebooks in place and store their outputs"
	@echo "make workbook   write notebooks/workbook/ from the lessons and notebooks/exercises/"
	@echo "make bench      measure speed and memory of training here, into results/, in half an hour"
	@echo "make constraints   choose today's versions for every promised Python, into constraints.txt"
	@echo "make address    write the repository's address, from pyproject.toml, wherever it stands"

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || \
		{ echo "The course needs Python 3.11 to 3.14; try: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --constraint constraints.txt --editable ".[dev]"
	@touch $@

# What Jupyter, its kernels and Matplotlib keep at home is kept in .venv where home is read-only.
KEPT := JUPYTER_CONFIG_DIR JUPYTER_DATA_DIR IPYTHONDIR MPLCONFIGDIR
KEPT_HERE := $(foreach name,$(KEPT),$(name)="$${$(name):-$(abspath $(VENV))/home/$(name)}")

# Jupyter refuses to run as root, which is who one is in many containers, unless told.
lab: $(READY)
	@test -d "$$HOME" && test -w "$$HOME" || export $(KEPT_HERE); \
	exec $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --notebook-dir=. \
		--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb --LabApp.news_url=

app: $(READY)
	$(BIN)/python app/start.py $(API_PORT:%=--api-port %) $(PAGE_PORT:%=--page-port %)

test: $(READY)
	$(BIN)/ruff check
	$(BIN)/python -m pytest

# The bounds in pyproject.toml are tried at both ends.
test-lowest: RESOLUTION := lowest-direct
test-newest: RESOLUTION := highest
test-lowest test-newest: $(READY)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-$(RESOLUTION)
	$(BIN)/uv pip install --python .venv-$(RESOLUTION) --resolution $(RESOLUTION) \
		--editable ".[dev]"
	.venv-$(RESOLUTION)/bin/python -m pytest

# nbdev writes pyproject.toml anew, with the same content: no reason to install everything again.
export: $(READY)
	$(BIN)/nbdev-export
	@touch $(READY)

# One after the other, in the course's order: each runs top to bottom in a fresh kernel.
notebooks: export
	cd notebooks && ../$(BIN)/jupyter nbconvert --to notebook --execute --inplace \
		--ExecutePreprocessor.record_timing=False $(notdir $(NOTEBOOKS))

workbook: $(READY)
	$(BIN)/python tools/workbook.py

# Nothing else should run meanwhile.
bench: $(READY)
	$(BIN)/python benchmarks/data_loading.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/train_step.py

# For the lowest Python first, with other versions beside them for newer ones and other systems.
constraints: $(READY)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade \
		--no-annotate --custom-compile-command "make constraints" --quiet \
		--output-file constraints.txt

address: $(READY)
	$(BIN)/python tools/repository_address.py
	$(MAKE) export
