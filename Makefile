# `make run` builds everything and serves the examples; `make test` tests with
# Rust alone; `make test-all` adds the examples of every language, real clients,
# the conformance suite, Redis, and networks of the tests' own.
#
# There is one profile (release) and one feature set, so that wasmtime is
# compiled once.

CARGO  ?= cargo
LISTEN ?= 127.0.0.1:8080
# `make test-all REQUIRE=--require` fails where a language is left out.
REQUIRE ?=

HOST    := target/release/toolcrib
DIST    := guest-examples/dist
FIXTURE := tests/conformance/fixture
RELEASE := --release --workspace --locked

.PHONY: run build examples test test-all test-complete bench lint clean

run: build examples
	@echo
	@echo "Call a tool from another terminal:"
	@echo
	@echo "  curl -s http://$(LISTEN)/mcp \\"
	@echo "    -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\"
	@echo "    -d '{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"text\":\"hello\"}}}'"
	@echo
	@exec $(HOST) serve $(DIST) --no-auth --listen $(LISTEN)

build:
	$(CARGO) build $(RELEASE)

examples:
	guest-examples/build.sh $(REQUIRE)

test:
	$(CARGO) test $(RELEASE)

test-all: test test-complete

test-complete: examples
	guest-examples/build.sh --crates ../$(FIXTURE) everything extra
	tests/clients/setup.sh
	tests/system/setup.sh
	$(CARGO) test $(RELEASE) --features toolcrib-tests/complete --test complete

bench: build examples
	$(CARGO) test $(RELEASE) --bench bench

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(RELEASE) --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(RELEASE) --no-deps

clean:
	$(CARGO) clean
	rm -rf $(DIST) $(FIXTURE)/dist
