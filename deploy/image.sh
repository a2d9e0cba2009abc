#!/bin/sh
# Builds the image by deploy/Dockerfile: deploy/image.sh [TAG] [TARGET]
#   TAG      headrace:dev unless given; TARGET: service, or load, which has the load generator and the verifier, too
#   BASE     the base image; the Dockerfile's unless given
#   ENGINE   docker (20.10 or newer, with BuildKit), or another with its command line, as podman
#   CODEC    compiled, by a compiler from the base's Debian packages that stays out of the image; or python
#   NETWORK  what pip uses while building: default, or host
#   PIP_INDEX_URL, PIP_CERT   as pip takes them: another package index, and a bundle of certificates to trust
set -eu
cd "$(dirname "$0")/.."
tag=${1:-headrace:dev} target=${2:-service}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
[ -z "$(git status --porcelain 2>/dev/null)" ] || revision="$revision-changed"
set -- --file deploy/Dockerfile --target "$target" --tag "$tag" --network "${NETWORK:-default}" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision"
[ -z "${BASE:-}" ] || set -- "$@" --build-arg BASE="$BASE"
[ -z "${CODEC:-}" ] || set -- "$@" --build-arg CODEC="$CODEC"
[ -z "${PIP_INDEX_URL:-}" ] || set -- "$@" --build-arg PIP_INDEX_URL="$PIP_INDEX_URL"
[ -z "${PIP_CERT:-}" ] || set -- "$@" --secret "id=certificates,src=$PIP_CERT"
DOCKER_BUILDKIT=1 exec "${ENGINE:-docker}" build "$@" .
