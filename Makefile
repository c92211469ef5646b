# One definition of every task, for people, hooks and CI. Needs Python 3.11+ and make.
PYTHON ?= python3
# A third test waits for its servers while two compute.
TEST_PROCESSES ?= 3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
RUNNABLE := $(VENV)/.runnable
PYTEST := $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal \
	--override-ini console_output_style=count
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
REQUIRED_PYTHON := import sys; v = sys.version_info; v >= (3, 11) or \
	sys.exit(f"Expected Python 3.11 or newer, got {v[0]}.{v[1]}; name one: make PYTHON=python3.12 ...")
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate

# The tests start some hundred processes: each reads the byte code that the first has written.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test heavy check bench lock hook clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Make .venv with everything, pinned and hashed (again only when a pin changes)

$(INSTALLED): requirements/dev.txt pyproject.toml
	$(call install,$<)

# A third of the size: what the service and the demo run with, for those who only look.
$(RUNNABLE): requirements/demo.txt pyproject.toml
	$(call install,$<)

define install
@$(PYTHON) -c '$(REQUIRED_PYTHON)'
@echo "Installing $(1) into $(VENV): about a minute, once"
@$(PYTHON) -m venv $(VENV)
@$(PIP) --only-binary :all: --require-hashes -r requirements/build.txt -r $(1)
@$(PIP) --no-index --no-deps --no-build-isolation --editable .
@touch $@
endef

demo: $(if $(wildcard $(INSTALLED)),$(INSTALLED),$(RUNNABLE)) ## Plan 1,000 example requests on the default fleet and print the plan
	@$(BIN)/python -m examples.demo

test: setup ## Run the quick tests
	$(PYTEST) -m "not heavy"

heavy: setup ## Run the tests that need podman, Prometheus (apt) or fresh environments
	$(PYTEST) -m heavy

check: setup ## Lint, types, import rules, pins
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m pytest tests/packaging/test_pins.py

bench: setup ## Measure speed and memory
	$(BIN)/python -m benchmarks

lock: setup ## Pin requirements/*.txt anew; `make lock UPGRADE=--upgrade` takes the newest
	$(COMPILE) $(UPGRADE) pyproject.toml --extra service --extra profiler --group dev -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra service --constraints requirements/dev.txt -o requirements/service.txt
	$(COMPILE) pyproject.toml --extra profiler --constraints requirements/dev.txt -o requirements/profiler.txt
	$(COMPILE) pyproject.toml --extra service --group demo --constraints requirements/dev.txt -o requirements/demo.txt
	$(COMPILE) --group build --constraints requirements/dev.txt -o requirements/build.txt
	$(COMPILE) $(UPGRADE) --group litellm -o requirements/litellm.txt

hook: setup ## Copy how prompts are read into the hook of LiteLLM, which is one file
	$(BIN)/python deploy/litellm/copy_prompts.py

clean: ## Remove the environment, the caches and what was built
	rm -rf $(VENV) build dist out .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
