#!/usr/bin/env bash
# Installs everything into .venv. Does nothing if requirements and project file have not changed.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE

python="${PYTHON:-python3}"
stamp=.venv/.order-relay-ready
wanted="$(cat requirements.txt requirements-dev.txt pyproject.toml setup.py | sha256sum | cut -d' ' -f1)"

if [[ -x .venv/bin/python && -f "$stamp" && "$(cat "$stamp")" == "$wanted" ]]; then
    exit 0
fi

if [[ ! -x .venv/bin/python ]]; then
    "$python" -c 'import sys; sys.exit("Python 3.11 or later is needed, this is " + sys.version if sys.version_info < (3, 11) else 0)'
    echo "Creating .venv ..."
    "$python" -m venv .venv || {
        echo "Could not create a virtual environment. On Debian: apt-get install python3-venv" >&2
        exit 1
    }
fi

echo "Installing requirements (some minutes the first time) ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
# Left by the build beside the sources, which are on the import path: Airflow would find the package's plugin twice.
rm -rf include/*.egg-info

# Airflow starts many processes; without compiled modules each takes two to three times as long to start.
echo "Compiling ..."
.venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true

echo "$wanted" >"$stamp"
echo "Set up in .venv"
