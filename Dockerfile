# The container image: the release binary on a small Debian, as a user without rights.
# Build: docker build -t portcullis .   Try: docker compose up --build

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --profile dist --locked --package portcullis \
    && cp target/dist/portcullis /portcullis

FROM debian:bookworm-slim
# Root certificates, for what this server reads elsewhere: client documents and keys, and for upstream servers.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin portcullis \
    && install --directory --owner=portcullis --group=portcullis --mode=0700 /data
COPY --from=build /portcullis /usr/local/bin/portcullis

USER portcullis
WORKDIR /data
VOLUME /data
# Inside a container every interface is the container's own; who may reach it is decided where the port is published.
ENV PORTCULLIS_DATA_DIR=/data \
    PORTCULLIS_LISTEN=0.0.0.0:8420
EXPOSE 8420
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["portcullis", "healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["portcullis"]
CMD ["serve"]
