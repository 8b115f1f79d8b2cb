# syntax=docker/dockerfile:1
# The image of journey-operator: docker build -t REGISTRY/journey-operator:VERSION . && docker push REGISTRY/journey-operator:VERSION

FROM rust:1.95.0-slim-bookworm AS build
# The image's own toolchain is the one rust-toolchain.toml pins; naming it keeps rustup from fetching rustfmt and clippy.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TERM_COLOR=never
WORKDIR /build
COPY . .
# Crates and compiled dependencies stay in the builder's cache from one build to the next; the binary leaves it.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --locked --release --bin journey && cp target/release/journey /journey

# glibc, libgcc, CA certificates and a user 65532; no shell.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /journey /usr/local/bin/journey
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080 9090
ENTRYPOINT ["/usr/local/bin/journey"]
