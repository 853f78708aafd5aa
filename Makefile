# Wattledger. `make help` lists what there is.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests start a hundred processes. Each would compile all of its modules anew if Python were told to keep nothing.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo serve test test-services mutate invariants gas check bench clean help

setup: $(VENV)/.installed node_modules/.installed ## Install all that is needed, pinned and hashed, and compile the contracts
	@$(BIN)/python -m scripts.compile > /dev/null

demo: setup ## Run one real day from meter to audit (ARGS="--date 2019-07-11", "--sessions FILE", "--tamper")
	@$(BIN)/python -m scripts.demo $(ARGS)

serve: setup ## Keep the whole platform running on this machine until Ctrl-C; the next start goes on
	@$(BIN)/python -m scripts.serve $(ARGS)

# The long files come first, in the order of their names, so that the workers end together. Forge compiles and tests beside
# them: much of what it does, and much of what they do, leaves a core free. What it says comes last.
test: setup ## Run the tests: Python and contracts
	@mkdir -p build
	@FORGE_SNAPSHOT_EMIT=false scripts/forge test --summary > build/forge.log 2>&1 < /dev/null & forge=$$!; \
	trap 'kill $$forge 2> /dev/null || true' EXIT; \
	python=0; contracts=0; \
	$(BIN)/python -m pytest -m "not services" -n auto --dist loadfile --no-loadscope-reorder -rs || python=$$?; \
	wait $$forge || contracts=$$?; \
	cat build/forge.log; \
	exit $$((python | contracts))

test-services: setup ## Run the tests that need services or tools of their own environment
	@$(BIN)/python -m pytest -m services -rs

# Run the invariants of the contracts at length: half a million calls
invariants: setup
	@FOUNDRY_PROFILE=full scripts/forge test --match-path 'contracts/test/invariants/*'

# Write what each contract's verbs cost into snapshots/, which make test compares with
gas: setup
	@rm -rf snapshots
	@FORGE_SNAPSHOT_CHECK=false scripts/forge test --match-path 'contracts/test/*Gas.t.sol'

# Break the contracts in many ways and see that the tests notice (ARGS="--jobs 2", "--only Escrow")
mutate: setup
	@$(BIN)/python -m scripts.mutate $(ARGS)

check: setup ## Check format, lint, types, import rules and Solidity format
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@scripts/forge fmt --check

bench: setup ## Run all benchmarks; each prints one JSON object as its last line
	@for module in $$(cd bench && grep -l '^def main' *.py); do $(BIN)/python -m bench.$${module%.py} --json; done

clean: ## Remove everything that was built or installed here
	rm -rf $(VENV) .venv-* node_modules build out cache var .build *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements-dev.txt requirements-uv.txt pyproject.toml
	@echo "installing Python packages"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt requirements-uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

node_modules/.installed: package-lock.json package.json
	@echo "installing the Solidity toolchain"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
