# One command each: `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help install test lint typecheck unit test-slow test-model demo data train-model eval-model ablation wheel clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_FOR_TESTS := $(VENV)/.ready-for-tests
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

NOVEL := tests/data/northanger-abbey.pdf
MEMORY := northanger-abbey
PACKED := build/$(MEMORY).infini

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 14

install: $(READY) ## create .venv with the pinned dependencies and the `infini` command
	@echo "ready: $(BIN)/infini"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else 1)' || { \
		echo "error: infini needs Python 3.10 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)" >&2; \
		echo "hint: name another one, such as: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "hint: on Debian and Ubuntu, install the package python3-venv" >&2; exit 1; }

$(READY): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the pinned dependencies into $(VENV); the first time this takes some minutes"
	@$(PIP) install -c constraints.txt -e '.[fast-pdf,train]'
	@touch $@

$(READY_FOR_TESTS): pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing the pinned dependencies and test tools into $(VENV); the first time this takes some minutes"
	@$(PIP) install -c constraints.txt -e '.[fast-pdf,train,test]'
	@touch $(READY) $@

test: lint typecheck unit ## set up, then all checks and all tests that need no pulled model

lint: $(READY_FOR_TESTS) ## ruff and the import rules
	@$(BIN)/ruff check --quiet . && echo "ruff: clean"
	@$(BIN)/lint-imports --no-cache > $(VENV)/lint-imports.log 2>&1 \
		&& echo "import rules: kept" || { cat $(VENV)/lint-imports.log; exit 1; }

typecheck: $(READY_FOR_TESTS) ## mypy
	@$(BIN)/mypy

unit: $(READY_FOR_TESTS)
	@$(BIN)/python -m pytest -n 2 -q

test-slow: $(READY_FOR_TESTS) ## the tests that take long
	@$(BIN)/python -m pytest -n 2 -q -m "slow and not model and not gpu"

test-model: $(READY_FOR_TESTS) ## the tests that need the real model; pulls it first
	@$(BIN)/infini models pull
	@$(BIN)/python -m pytest -q -m "model and not gpu" --timeout 1800

# $(call infini,ARGUMENTS) shows a command and runs it
infini = @printf '\n$$ infini %s\n' $(call quote,$(1)); $(BIN)/infini $(1)
quote = '$(subst ','\'',$(1))'

demo: $(READY) ## the main job on a whole novel: read, ask, summarize, save, remove, load, ask again
	$(call infini,models pull)
	$(call infini,ingest $(NOVEL) --memory $(MEMORY))
	$(call infini,memories show $(MEMORY))
	$(call infini,ask "Which novel by Mrs. Radcliffe does Catherine read in Bath?" --memory $(MEMORY))
	$(call infini,ask "Where did Mr. Allen own property?" --memory $(MEMORY))
	$(call infini,ask "What is the capital of Norway?" --memory $(MEMORY))
	$(call infini,summarize --length short --memory $(MEMORY))
	@mkdir -p build && rm -f $(PACKED)
	$(call infini,save $(MEMORY) -o $(PACKED))
	$(call infini,memories rm $(MEMORY) --yes)
	$(call infini,load $(PACKED))
	$(call infini,ask "Which novel by Mrs. Radcliffe does Catherine read in Bath?" --memory $(MEMORY))

RECIPE := models/smollm2-135m-infini/recipe.toml
TRAINING := build/training

data: $(READY) ## fetch and tokenize the texts for training and evaluations, into the user's cache
	@$(BIN)/infini models pull
	@$(BIN)/python -m infini_cli.training.corpus

train-model: data ## train the shipped model's memory again: RECIPE=… TRAINING=folder
	@$(BIN)/infini train $(RECIPE) --output $(TRAINING)

eval-model: data ## measure the shipped model, or ADAPTER=…, into build/eval.json
	@mkdir -p build
	@$(BIN)/infini eval all $(if $(ADAPTER),--adapter $(ADAPTER)) --output build/eval.json

ablation: data ## train forms of memory at an equal, small budget, into build/ablation
	@$(BIN)/python -m infini_cli.training.ablation $(RECIPE) --output build/ablation

wheel: $(READY_FOR_TESTS) ## build the wheel into dist/
	@$(PIP) wheel --no-deps --wheel-dir dist .

clean: ## remove .venv and everything built; memories and models stay
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
