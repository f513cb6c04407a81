# The image of previewd: one static binary, two empty directories and the certificate authorities that the build stage's
# system trusts, nothing else. BuildKit and the classic builder
# (`docker build` before version 23, and docker-compose 1) both make it.
#
#   docker build -t previewd .
#   docker run --rm -p 8000:8000 -v "$PWD:/srv:ro" previewd
#
# There is no "# syntax=" line and no stage but golang's and scratch, so that it builds wherever there is an
# image golang:GO_VERSION, without fetching a frontend.

ARG GO_VERSION=1.26

# The toolchain is the builder's own and compiles for the target: no emulation. The classic builder knows no
# BUILDPLATFORM, nor the target's below: it gets linux on the engine's own processor.
FROM --platform=${BUILDPLATFORM:-linux} golang:${GO_VERSION} AS build
WORKDIR /src

# The modules change less often than the code: they have layers of their own, downloaded and compiled.
COPY go.mod go.sum ./
RUN go mod download
ARG TARGETOS TARGETARCH TARGETVARIANT
# -trimpath and -buildvcs=false: the same sources give the same bytes, whatever they were checked out as.
# -gcflags: nothing is inlined in code that runs when metrics are asked for, a registry is asked, or a certificate is read:
# 250 KB less.
ENV CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false \
    -gcflags=google.golang.org/protobuf/...=-l -gcflags=github.com/prometheus/...=-l \
    -gcflags=github.com/google/go-containerregistry/...=-l -gcflags=crypto/x509/...=-l -gcflags=math/big=-l"
# What the program imports of other modules, for Go's build cache.
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} go build \
    github.com/andybalholm/brotli \
    github.com/caarlos0/env/v11 \
    github.com/google/go-containerregistry/pkg/v1/remote \
    github.com/klauspost/compress/gzip \
    github.com/klauspost/compress/zstd \
    github.com/landlock-lsm/go-landlock/landlock \
    github.com/prometheus/client_golang/prometheus/collectors \
    github.com/prometheus/client_golang/prometheus/promhttp \
    github.com/spf13/pflag \
    github.com/youmark/pkcs8 \
    go.uber.org/zap \
    golang.org/x/crypto/bcrypt \
    golang.org/x/sync/errgroup \
    golang.org/x/sync/singleflight

COPY . .
ARG VERSION=dev REVISION=
RUN GOOS=$TARGETOS GOARCH=$TARGETARCH GOARM=${TARGETVARIANT#v} \
    go build -ldflags "-s -w -X main.version=$VERSION -X main.revision=$REVISION -X main.mountPoint=/srv" \
        -o /image/previewd .
# What is served is mounted on /srv. /previews is where images from a registry are kept (PREVIEWS): as any user may run the
# server, anybody can write there, as in /tmp. A new volume that is mounted there takes over its mode.
RUN mkdir -p /image/srv /image/previews /image/etc/ssl/certs && \
    cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ && \
    chmod -R u=rwX,go=rX /image && chmod 755 /image/previewd && chmod 1777 /image/previews

FROM scratch
ARG VERSION=dev REVISION=
LABEL org.opencontainers.image.title="previewd" \
      org.opencontainers.image.description="Serves a directory over HTTP with the semantics of Python's http.server" \
      org.opencontainers.image.url="https://github.com/previewd/previewd" \
      org.opencontainers.image.source="https://github.com/previewd/previewd" \
      org.opencontainers.image.documentation="https://github.com/previewd/previewd#readme" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /image /

# HTTP, HTTPS once there is a certificate, and metrics and health. ADMIN_PORT is not set, as 9090 is the default, and
# a default gives way when the port is taken (--network host).
ENV DIRECTORY=/srv TLS_PORT=8443 PREVIEWS_STORE=/previews
EXPOSE 8000 8443 9090
# No VOLUME: it would hide what an image built upon this one copies to /srv, and leave a volume behind for
# each container.
WORKDIR /srv
# A number, so that Kubernetes can see that it is not root. Any other user works too: previewd writes only below /previews,
# with PREVIEWS and a repository, and needs no user name or home directory.
USER 65532:65532
# On SIGTERM every request that has begun gets its answer before the server stops.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=2s --retries=3 CMD ["/previewd", "healthcheck"]
ENTRYPOINT ["/previewd"]
