# Build:  docker build -t tapedeck .
# Run:    docker run -p 8600:8600 -v tapedeck:/data -e SYMBOLS=BTCUSDT,ETHUSDT tapedeck
# Look:   docker run --rm -p 8600:8600 tapedeck demo

FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin tapedeck && cp target/release/tapedeck /tapedeck && mkdir /empty

# No shell and no package manager; certificates of the public authorities are compiled in.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="tapedeck" \
      org.opencontainers.image.description="Records the Binance USD-M futures tape, proves that it is whole, and serves it" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /tapedeck /usr/local/bin/tapedeck
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/tapedeck/
# The tape. Without a volume it lies in the container's own layer, and goes with it.
COPY --from=build --chown=65532:65532 /empty /data
VOLUME /data
USER 65532:65532
ENV TAPEDECK__SERVER__LISTEN=0.0.0.0:8600 TAPEDECK__STORE__DIR=/data
EXPOSE 8600
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/tapedeck", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/tapedeck"]
CMD ["serve"]
