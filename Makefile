# Every target makes its own environment. `make demo` and `make test` are the two to know.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JS := tests/interop/js
# Of `make serve`.
PORT := 7080
# Of `make firmware`: the board, where to, and a checkout of MicroPython to check against.
BOARD := ESP32_GENERIC
FIRMWARE := build/firmware-$(BOARD)
MICROPYTHON_SOURCE :=
# Of the tests. They wait for a good part of their time, so there may be more than cores.
WORKERS := 3
# The tests start a thousand processes: what Python compiles is kept, wherever this is set.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test test-fast test-long coverage lint bench chip chip-soak conformance chaos soak serve firmware wheel release mip clean

help:
	@echo "make demo         two simulated boards on a local Web PubSub service (20 s, ends by itself)"
	@echo "make test         every test that needs no hardware (10 minutes)"
	@echo "make test-fast    the units, and one message there and back, on each interpreter (2 minutes)"
	@echo "make test-long    make test, and device code from source on MicroPython as well"
	@echo "make coverage     the same tests, and how much of the code they run, held to a floor"
	@echo "make lint         style, spelling, types, layers, words, and device code that old firmware cannot run"
	@echo "make bench        speed and memory, as ratios against baselines of the same run"
	@echo "make chip         32-bit MicroPython with an ESP32's heaps, for the tests (needs Debian)"
	@echo "make chip-soak    an hour of a whole board on that, with 20 outages: nothing lost, nothing grows"
	@echo "make conformance  WebSocket conformance cases on real MicroPython"
	@echo "make chaos        1,000 cuts over ws, over wss, among lost sessions: nothing lost or doubled"
	@echo "make soak         2,000 reconnects: heap, tasks and descriptors stay flat"
	@echo "make serve        a local Web PubSub service; PORT=7081 if 7080 is taken"
	@echo "make firmware     prepares an image with the code in the flash; BOARD=ESP32_GENERIC"
	@echo "make mip          the client as a package of bytecode for mip, in dist/mip"
	@echo "make release      sdist and wheel in dist/, checked, installed and tried; uploads nothing"
	@echo "make clean        removes everything that the targets made"

# The demo needs less than the tests: a first look should not wait for linters.
$(VENV)/.ready-demo: pyproject.toml
	@echo "Setting up $(VENV) (less than a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "Python's venv module is missing: install it (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@$(PIP) install --no-compile -e ".[sim]"
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready-demo
	@echo "Setting up the test tools ..."
	@$(PIP) install --no-compile -e ".[dev,sim,flash]"
	@touch $@

# Node.js is optional: without it, the tests with Microsoft's JavaScript packages are skipped.
$(JS)/node_modules/.ready: $(JS)/package.json $(JS)/package-lock.json
	@if command -v npm >/dev/null; then \
	  echo "Setting up the JavaScript packages that the tests use ..."; \
	  npm ci --prefix $(JS) --loglevel=error --no-audit --no-fund && touch $@; \
	else \
	  echo "npm is missing: no tests with JavaScript packages (Debian: apt-get install npm)."; \
	fi

demo: $(VENV)/.ready-demo
	@$(BIN)/hubtool demo

serve: $(VENV)/.ready-demo
	@$(BIN)/hubtool serve --port $(PORT)

# Alone and with a debugger: make test PYTEST_ARGS="-n 0 --pdb tests/hubtool -k flash"
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
test: $(VENV)/.ready-dev $(JS)/node_modules/.ready
	@$(BIN)/python -m simboard.chip --optional
	@$(PYTEST) $(PYTEST_ARGS)

# The units of device and service; and of the ways in, one.
test-fast: $(VENV)/.ready-dev
	@$(BIN)/python -m simboard.chip --optional
	@$(PYTEST) tests/webpubsub/test_units.py tests/firmware/test_units.py \
	  tests/localhub/test_units.py tests/localhub/test_protobuf_codec.py \
	  tests/localhub/test_stream_rules.py tests/localhub/test_tokens.py \
	  tests/end_to_end/test_publish_subscribe.py \
	  -k "not publish_and_subscribe or token-json.reliable" $(PYTEST_ARGS)

test-long: $(VENV)/.ready-dev $(JS)/node_modules/.ready
	@$(BIN)/python -m simboard.chip --optional
	@$(PYTEST) -m "" $(PYTEST_ARGS)

# Not a part of `make test`: measuring takes time.
coverage: $(VENV)/.ready-dev $(JS)/node_modules/.ready
	@$(BIN)/python -m simboard.chip --optional
	@$(PYTEST) --cov --cov-report=term $(PYTEST_ARGS)

lint: $(VENV)/.ready-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/codespell
	@$(BIN)/mypy
	@$(BIN)/python -m tests.lint
	@$(BIN)/lint-imports --no-logo --no-cache

bench: $(VENV)/.ready-dev
	@$(BIN)/python -m bench

chip: $(VENV)/.ready-dev
	@$(BIN)/python -m simboard.chip

# A shorter one: make chip-soak SOAK="--seconds 600 --outages 4"
chip-soak: chip
	@$(BIN)/python -m tests.chip $(SOAK)

conformance: $(VENV)/.ready-dev
	@$(BIN)/python -m tests.conformance

chaos: $(VENV)/.ready-dev
	@$(BIN)/python -m tests.chaos
	@$(BIN)/python -m tests.chaos --tls --sdk
	@$(BIN)/python -m tests.chaos --expire 10
	@$(BIN)/python -m tests.chaos.charger

soak: $(VENV)/.ready-dev
	@$(BIN)/python -m tests.chaos.soak
	@$(BIN)/python -m tests.chaos.soak --tls --reconnects 500

firmware: $(VENV)/.ready-demo
	@$(BIN)/python -m hubtool.firmware_project "$(BOARD)" "$(FIRMWARE)" \
	  $(if $(MICROPYTHON_SOURCE),--micropython "$(MICROPYTHON_SOURCE)")

wheel: $(VENV)/.ready-dev
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .

# A trial before the changelog has its date: make release RELEASE=--unreleased
release: $(VENV)/.ready-dev
	@$(BIN)/python -m tests.distribution.release $(RELEASE)

# The client as bytecode, as `hubtool deploy` builds it: dist/mip/package.json is what mip takes.
mip: $(VENV)/.ready-demo
	@rm -rf dist/mip
	@$(BIN)/python -m hubtool.device_build --mip dist/mip

clean:
	rm -rf $(VENV) .chip build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .state $(JS)/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
