#!/usr/bin/env bash
# Starts the services of docker-compose.yaml without Docker, on loopback and free ports, until Ctrl-C: PostgreSQL with the
# roles of deploy/databases.sh, Redis, a stand-in for Amazon S3, Airflow with two Celery workers, and the simulated vendors.
#
#   scripts/cluster.sh [--source cloudsuite] [--orders 300] [--pgbouncer]
#
# The environment is the one of docker-compose.yaml. Everything ends with the script.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE

# Prints the Debian packages that are missing, for what is started.
missing_packages() {
    command -v redis-server >/dev/null || echo redis-server
    command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
    if [[ " $* " == *" --pgbouncer "* ]] && [[ ! -x /usr/sbin/pgbouncer ]] && ! command -v pgbouncer >/dev/null; then
        echo pgbouncer
    fi
}

missing="$(missing_packages "$@")"
if [[ -n "$missing" ]]; then
    echo "Programs are missing; install them: apt-get install" $missing >&2
    exit 2
fi

scripts/setup.sh

# Celery, its providers and the S3 stand-in have an environment of their own.
place=build/cluster
wanted="$(cat requirements.txt scripts/cluster/requirements.txt pyproject.toml | sha256sum | cut -d' ' -f1)"
if [[ ! -f "$place/ready" || "$(cat "$place/ready")" != "$wanted" ]]; then
    echo "Installing Celery, its providers and the S3 stand-in in $place ..."
    rm -rf "$place"
    mkdir -p "$place"
    .venv/bin/python -m venv "$place/tool"
    "$place/tool/bin/pip" install --quiet --disable-pip-version-check uv
    "$place/tool/bin/uv" venv --quiet --python .venv/bin/python "$place/venv"
    install=("$place/tool/bin/uv" pip install --quiet --python "$place/venv")
    "${install[@]}" --compile-bytecode --requirement scripts/cluster/requirements.txt
    "${install[@]}" --no-deps --editable .
    rm -rf include/*.egg-info
    echo "$wanted" >"$place/ready"
fi
[[ "${1:-}" == --install ]] && exit 0

export PYTHONPATH="$PWD/include:$PWD/scripts"
exec .venv/bin/python -m cluster "$@"
