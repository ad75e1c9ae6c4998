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
.PHONY: demo test check test-nightly test-release test-reference reference-packages coverage bench bench-floors bench-quick peers proto format clean

# Recorded bars are imported as well where there are any; the demo says what is real and what is not.
BARS := $(firstword $(wildcard $(or $(FLIGHTSTORE_TEST_DATA),../shared/data)/bitfinex/BTCUSD_1m_*.csv.xz))

# The peers' clients may ask for other versions than flightstore's own tests: they stay apart.
PEERS_VENV := .venv-peers
PEERS_BIN := $(PEERS_VENV)/bin
PEERS_READY := $(PEERS_VENV)/ready
PEERS := postgresql influxdb arcticdb chdb

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

# Side by side with what users would pick instead, an hour and more of an idle machine. The results
# go into bench/RESULTS.md, bench/plots and README.md.
bench: peers
	$(PEERS_BIN)/python -m bench.peers --write

# Two of the peers are servers of the system. As root of a Debian they are installed if they are not
# there; a peer that cannot be had is named, and does not take part.
peers: $(PEERS_READY)
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0; \
	lacking=; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null \
		|| lacking="postgresql"; \
	command -v influxd >/dev/null || lacking="$$lacking influxdb influxdb-client"; \
	[ -z "$$lacking" ] || apt-get update --quiet || true; \
	for package in $$lacking; do \
		DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes $$package \
			|| echo "$$package cannot be installed here" >&2; \
	done

# Against what the machine itself allows: raw syncs, a bare Flight server, rows in memory.
bench-floors: $(READY)
	$(BIN)/python -m bench

# What a change has made slower, against what was recorded; three minutes of an idle machine.
bench-quick: $(READY)
	$(BIN)/python -m bench --check

# The generated code is committed; tests/test_tidy.py fails when it is out of date.
proto: $(READY)
	cd proto/flightstore_proto && $(abspath $(BIN))/python -m grpc_tools.protoc -I. \
		--python_out=. --pyi_out=. flightstore.proto

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(PEERS_VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# $(call new_venv,FOLDER), in a recipe. pip understands dependency groups since 25.1; the one that
# venv brings may be older.
define new_venv
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
	echo "Setting up $(1) with $$python"; \
	"$$python" -m venv --clear $(1)
	$(1)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
endef

$(READY): pyproject.toml
	$(call new_venv,$(VENV))
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	@touch $@

# A peer's client joins those that are there already, as long as all of them can be had together.
$(PEERS_READY): pyproject.toml
	$(call new_venv,$(PEERS_VENV))
	$(PEERS_BIN)/python -m pip install --quiet --editable '.[pandas,server]' --group bench
	@set -f; chosen='--editable .[pandas,server] --group bench'; \
	for peer in $(PEERS); do \
		if $(PEERS_BIN)/python -m pip install --quiet $$chosen --group $$peer; then \
			chosen="$$chosen --group $$peer"; \
		else \
			echo "The client of $$peer cannot be installed here; the contest goes on without it." >&2; \
		fi; \
	done
	@touch $@
