# Everything a fresh machine needs is Python 3.11 or later, make, and a package index that pip can reach.
#
#   make demo   start a server, fill it from an exchange, read it back, show how fast
#   make test   what a change has to pass: style, types, layers, tests
#
# Both set up .venv by themselves, again whenever pyproject.toml changes. Remove it with `make clean`.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PYTHONS := python3 python3.14 python3.13 python3.12 python3.11
# Tests of one file stay together: they share what was slow to make.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := test
.DELETE_ON_ERROR:
.PHONY: demo test check test-nightly test-release test-reference reference-packages coverage bench bench-quick proto format clean

# Recorded bars are imported as well where there are any; the demo says what is real and what is not.
BARS := $(firstword $(wildcard $(or $(FLIGHTSTORE_TEST_DATA),../shared/data)/bitfinex/BTCUSD_1m_*.csv.xz))

# Which exchange the demo asks: auto takes a real one if it answers, `simulated` never does.
EXCHANGE := auto

demo: $(READY)
	$(BIN)/flightstore demo --exchange $(EXCHANGE) $(if $(BARS),--bars $(BARS))

test: check
	$(PYTEST)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The same tests for longer, and those marked `nightly`. Some take hours, and none of them hangs.
LONG := -o faulthandler_timeout=43200

test-nightly: $(READY)
	$(PYTEST) --profile=nightly $(LONG)

test-release: $(READY)
	$(PYTEST) --profile=release $(LONG)

# On a machine that has everything: a test that cannot run there is a failure.
test-reference: $(READY)
	$(PYTEST) --no-skips

# What its tests need of a Debian system besides root, loop devices and cgroups. Only when asked for.
reference-packages:
	apt-get update
	apt-get install --yes e2fsprogs iproute2 iptables openssl strace util-linux xfsprogs

# Which branches of the storage and the engine no test takes, and each error that none has raised.
COVERED := tests/unit/engine tests/unit/storage tests/faults tests/model tests/compat
coverage: $(READY)
	$(BIN)/coverage run --data-file=.coverage --branch --source=server/flightstore_server \
		-m pytest $(COVERED)
	$(BIN)/coverage report --data-file=.coverage --skip-covered \
		--include='*/flightstore_server/storage/*,*/flightstore_server/engine/*'
	$(BIN)/python -m tests.support.error_branches .coverage

# Speed, as ratios of one run; a quick run shows that the measurements work, and little else.
bench: $(READY)
	$(BIN)/python -m bench

bench-quick: $(READY)
	$(BIN)/python -m bench --quick

# The generated code is committed; tests/test_tidy.py fails when it is out of date.
proto: $(READY)
	cd proto/flightstore_proto && $(abspath $(BIN))/python -m grpc_tools.protoc -I. \
		--python_out=. --pyi_out=. flightstore.proto

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# pip understands dependency groups since 25.1; the one that venv brings may be older.
$(READY): pyproject.toml
	@python=; for candidate in $(PYTHONS); do \
		if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			python=$$candidate; break; \
		fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "flightstore needs Python 3.11 or later with the venv module; none of these is one:" >&2; \
		echo "  $(PYTHONS)" >&2; \
		exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$python"; \
	"$$python" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	@touch $@
