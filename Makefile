# `make` or `make help` says what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run demo test build lint check compliance licences reproducible terraform vuln model property soak fuzz bench clean ci

# Found, or installed, by the first target that needs it.
GO = $(eval GO := $$(shell scripts/go.sh))$(or $(GO),$(error no Go, see above))
# The race detector needs a C compiler; without one the tests run without it.
RACE = $(eval RACE := $$(shell command -v "$$$$($(GO) env CC)" >/dev/null 2>&1 && echo -race))$(RACE)
# The product's module and the stand-ins', which has a go.mod of its own.
ALL = ./... lad.internal/followup/emulators/...
FUZZTIME ?= 30s

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

PORT ?= 8080
run: ## Run the whole system here and make two follow-up calls (Ctrl-C ends it; PORT=8081 listens there)
	@test -x bin/devstack || echo "run: building first; on a new machine that takes some minutes"
	@$(MAKE) --no-print-directory build
	bin/devstack dev --example --listen 127.0.0.1:$(PORT) --env-file bin/dev.env --log-file bin/dev.log

demo: build ## Play a script of bookings, good and bad, and check how each ends
	bin/devstack demo

# The two long searches have targets of their own, and run there without the race
# detector: they have one thread, and go six times as far.
test: ## Run the tests, on a throw-away PostgreSQL, with the race detector
	@test -n "$(RACE)" || echo "test: there is no C compiler, so the race detector is off"
	$(GO) vet $(ALL)
	@# The examples by themselves: they run LAD's side in node, which must keep up.
	@output=$$(mktemp); trap 'rm -f "$$output"' EXIT; \
	for packages in "$$($(GO) list $(ALL) | grep -v -e /examples -e /integration/property)" ./examples/...; do \
		$(GO) test $(RACE) -timeout 20m -skip '^TestModel' $$packages 2>&1 || echo 'test: FAILED'; \
	done | tee "$$output"; \
	echo; if grep -E '^(FAIL[[:space:]]|--- FAIL|panic:|test: FAILED)' "$$output"; then exit 1; fi; \
	echo "test: all of $$(grep -c '^ok' "$$output") packages passed; make model and make property are the long searches"

build: ## Build bin/followup, bin/function and bin/devstack
	$(GO) build -trimpath -o bin/ ./cmd/followup ./cmd/function ./cmd/devstack

lint: ## Check format, house rules and the usual mistakes (builds the linter at first: minutes)
	@test -z "$$($$(dirname $(GO))/gofmt -l $$(git ls-files '*.go'))" || { echo "lint: run gofmt on:"; $$(dirname $(GO))/gofmt -l $$(git ls-files '*.go'); exit 1; }
	scripts/rules.sh
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...
	$(GO) tool -C emulators -modfile=../tools/go.mod golangci-lint run ./...

check: ## Check that dependencies are what they say, and that each go.mod is tidy and enough
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) mod tidy -C emulators -diff
	$(GO) vet -C emulators ./...

# Without cgo, PostgreSQL's parser need not be compiled from C first.
compliance: ## Check LAD's rules on this repository, and print LAD's report
	@CGO_ENABLED=0 $(GO) build -o bin/ ./cmd/compliance
	@PATH="$$(dirname $(GO)):$$PATH" bin/compliance

licences: ## Check the licences of what is linked in against docs/licences.md (WRITE=1 writes it)
	@GO=$(GO) WRITE=$(WRITE) scripts/licences.sh

reproducible: ## Build twice, once from an empty cache in another folder, and compare the hashes (minutes)
	@GO=$(GO) scripts/reproducible.sh

terraform: ## Format, validate and test terraform/, offline (skips without terraform)
	scripts/terraform.sh

vuln: ## Look the modules up in Go's vulnerability database (skips where it cannot be reached)
	@GO=$(GO) scripts/vuln.sh

model: ## Search every state that a booking can reach, a million and more
	$(GO) test -count=1 -run Model ./pkg/followup

property: ## Play LAD, operator, events, tasks and time at random, 10,000 runs (minutes)
	$(GO) test -count=1 -timeout 30m ./integration/property

BOOKINGS ?= 100000
soak: build ## Make BOOKINGS (100000) calls while functions are killed and the agent misbehaves
	bin/devstack soak --bookings $(BOOKINGS)

fuzz: ## Run every fuzz test for FUZZTIME (30s)
	@for package in $$($(GO) list $(ALL)); do \
		for f in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "fuzz: $$package $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit 1; \
		done; \
	done

bench: ## Run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem $(ALL)

clean: ## Remove what was built
	rm -rf bin

ci: ## Run everything that must hold, as CI does
	.ci/run
