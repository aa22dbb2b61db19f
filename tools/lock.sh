#!/bin/sh
# Compile requirements/ from the package descriptions: every file with its hashes, no addresses in it.
# Nothing younger than a week is taken, so that a hijacked release has been noticed before we lock it.
# `make lock` keeps the versions that are locked, `make lock UPGRADE=1` moves to the newest.
set -eu
cd "$(dirname "$0")/.."
uv=.venv/bin/uv
[ -x "$uv" ] || uv=uv
week_ago=$(date -u -d '7 days ago' +%Y-%m-%d)
upgrade=
[ -z "${UPGRADE:-}" ] || upgrade=--upgrade
own="--no-emit-package strongroom --no-emit-package strongroom-core --no-emit-package strongroom-client
    --no-emit-package strongroom-signer --no-emit-package strongroom-tracing"

compile() { # compile OUTPUT ARGUMENTS…
    output=requirements/$1
    shift
    # shellcheck disable=SC2086 -- the lists above are lists
    "$uv" pip compile --quiet $upgrade --exclude-newer "$week_ago" --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links $own --custom-compile-command "make lock" "$@" -o "$output"
    echo "$output: $(grep -c '==' "$output") packages"
}

compile dev.txt packages/*/pyproject.toml --group pyproject.toml:dev
compile runtime.txt -c requirements/dev.txt packages/platform/pyproject.toml packages/client/pyproject.toml
compile signer.txt -c requirements/dev.txt packages/signer/pyproject.toml
compile tracing.txt -c requirements/dev.txt packages/tracing/pyproject.toml
compile bootstrap.txt -c requirements/dev.txt requirements/bootstrap.in
compile node.txt requirements/node.in
