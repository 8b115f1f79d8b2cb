# make help explains each target.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo demo-down test lint unit fuzz histories soak chart cluster-test cluster-up cluster-down build crds image tools

cluster := tests/cluster

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1mmake %-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  On a fresh Debian run as root with Rust (rustup.rs) on PATH; the rest is installed. KUBECONFIG=file lets test"
	@echo "  and cluster-up use a cluster of yours, CONTEXT=name the demo."

demo: ## a journey from the first event to the mail, on a real cluster; CONTEXT=name for one of yours, CHAOS=1 kills processes
	@CONTEXT='$(CONTEXT)' tests/demo/demo up

demo-down: ## takes down what demo brought up
	@CONTEXT='$(CONTEXT)' tests/demo/demo down

test: tools lint unit fuzz histories chart cluster-test ## everything: lint, unit and integration tests, the chart, the cluster

lint: ## formatting and clippy
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

unit: ## tests that need no cluster; those of the store start PostgreSQL themselves
	@$(cluster)/tools packages
	cargo test --locked

fuzz: ## two minutes of hostile manifests against the compiler, other ones each time
	JOURNEY_FUZZ_SECONDS=120 cargo test --locked --test fuzz -- --nocapture

histories: ## 100,000 histories of crashes, lost answers and lost leases in virtual time; JOURNEY_HISTORIES=n for other numbers
	JOURNEY_HISTORIES=$${JOURNEY_HISTORIES:-100000} cargo test --release --locked --test histories -- --nocapture

soak: ## 200 kills -9 of each of gateway, runner and PostgreSQL, then an hour of hostile manifests, and a million histories
	@$(cluster)/tools packages
	CRASH_KILLS=200 cargo test --locked --test crash -- --nocapture kills:: outages::a_foreign_snapshot
	JOURNEY_FUZZ_SECONDS=3600 cargo test --locked --test fuzz -- --nocapture
	JOURNEY_HISTORIES=$${JOURNEY_HISTORIES:-1000000} $(MAKE) histories

chart: ## Helm's lint, and the chart against the schemas of a real API server
	@$(cluster)/chart

cluster-test: ## the kinds, the operator, the chart and the demo with kill -9, on a real cluster
	@$(cluster)/test

cluster-up: ## a one-node Kubernetes on this machine (kept if it runs), or a look at the one of KUBECONFIG
	@$(cluster)/cluster use

cluster-down: ## ends the Kubernetes on this machine, never that of KUBECONFIG
	@$(cluster)/cluster down

build: ## the optimised binary, target/release/journey
	cargo build --locked --release

crds: ## the custom resource definitions and the schemas for editors, from the Rust types into crds/, the chart and schemas/
	mkdir -p crds charts/journey-operator/files/crds
	cargo run --locked --quiet -- crds --output crds
	cargo run --locked --quiet -- crds --output charts/journey-operator/files/crds
	cargo run --locked --quiet -- schema --output schemas

image: build ## the optimised binary as an image archive, without a container engine: target/journey-operator.tar
	$(cluster)/image docker.io/local/journey-operator:dev target/journey-operator.tar "$${CARGO_TARGET_DIR:-target}/release/journey"

tools: ## Debian packages, helm, kubeconform and kubectl, built once and kept in ~/.cache/journey-operator
	@$(cluster)/tools packages
	@$(cluster)/tools all >/dev/null
