PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: install browser test test-clients test-servers lint deps format demo clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tasks,eval,serve,dev]'
	touch $@

browser:
	scripts/install-browser

test: $(STAMP)
	$(BIN)/pytest --cov --numprocesses auto --dist loadfile

test-clients: $(STAMP)
	scripts/test-clients

test-servers: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[gguf]' 'onnx>=1.19' 'safetensors>=0.6'
	scripts/test-servers

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	if $(BIN)/python -c 'import torch' 2>/dev/null; then MYPYPATH=nano $(BIN)/mypy nano; fi
	$(BIN)/lint-imports

deps: $(STAMP)
	$(BIN)/deptry src

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

demo: $(STAMP)
	$(BIN)/relaygen demo

clean:
	rm -rf .venv .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests nano -name __pycache__ -type d -prune -exec rm -rf {} +
