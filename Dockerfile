# SPDX-License-Identifier: Apache-2.0
#
# docker build -t sextant .
#
# Built on Debian 13 slim; the image that comes out holds the program, the libraries of Debian 13 that it needs, certificates
# and the country database, and nothing else: no shell, no package manager. scripts/check-dockerfile.sh proves it without a
# container engine. docs/container.md says how to run it.
FROM debian:13-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates gcc libc6-dev make pkg-config \
        libevent-dev libllhttp-dev libyyjson-dev libmaxminddb-dev uthash-dev libssl-dev libc-ares-dev zlib1g-dev libbrotli-dev libzstd-dev
WORKDIR /src
COPY Makefile LICENSE NOTICE ./
COPY proxy/ proxy/
COPY geoip/ geoip/
COPY conf/ conf/
COPY scripts/ scripts/
RUN make -s -j"$(nproc)" CFLAGS="-O2 -g -D_FORTIFY_SOURCE=2" all && make -s geo
RUN scripts/image-root.sh /image

FROM scratch
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sextant" \
      org.opencontainers.image.description="One endpoint in front of Qdrant clusters in several regions" \
      org.opencontainers.image.licenses="Apache-2.0 AND CC-BY-SA-4.0" \
      org.opencontainers.image.documentation="/usr/share/doc/sextant/README.md" \
      org.opencontainers.image.base.name="debian:13-slim" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
COPY --from=build --chown=65532:65532 /state/ /var/lib/sextant/
ENV SEXTANT_STATE_DIR=/var/lib/sextant \
    SEXTANT_GEO_DB=/usr/share/sextant/country.mmdb
USER 65532:65532
WORKDIR /
EXPOSE 6333 6390
VOLUME /var/lib/sextant
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/bin/sextant", "ctl", "health"]
ENTRYPOINT ["/usr/bin/sextant"]
