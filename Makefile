# One word per task. `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help setup run serve test lint bench translate

help: ## list the tasks
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed ## make .venv, start nothing

run: $(VENV)/.installed ## set everything up and serve on http://127.0.0.1:8000 (waitress)
	@exec $(BIN)/python -m app.serving

serve: $(VENV)/.installed ## the same on granian, the production server
	@exec $(BIN)/python -m app.serving --server granian

test: $(VENV)/.tested ## run all tests, in parallel; ARGS="tests/core -k ids" narrows
	@$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.tested ## formatting, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy app config.py wsgi.py
	@$(BIN)/djlint --lint --quiet templates

bench: $(VENV)/.tested ## print the table of bench/
	@$(BIN)/python -m bench

translate: $(VENV)/.installed ## refresh the catalogues from the sources
	@$(BIN)/pybabel -q extract -F pyproject.toml -k lazy_gettext --add-location=file --width=100 \
		--project=FlowHubLLM --version=1 -o translations/messages.pot .
	@$(BIN)/pybabel -q update -i translations/messages.pot -d translations --no-fuzzy-matching \
		--ignore-obsolete --ignore-pot-creation-date --width=100
	@$(BIN)/pybabel compile -d translations -D messages --statistics

$(VENV)/.installed: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (once; about half a minute) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.tested: tests/requirements.txt $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@
