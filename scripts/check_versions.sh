#!/usr/bin/env bash
# Runs the unit tests with other versions of the dependencies, in a new environment under build/versions/.
#
#   scripts/check_versions.sh pins                       the versions of requirements.txt
#   scripts/check_versions.sh oldest                     the oldest versions that pyproject.toml admits
#   scripts/check_versions.sh CONSTRAINTS [REQUIREMENT]  those of a constraints file (a path or an address), such as
#                                                        Airflow's own
#
# PYTHON=/path/to/python3.13 chooses the interpreter. Arguments after -- go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

profile="${1:?pins, oldest, or a constraints file}"
shift
extra=()
while (($#)) && [[ "$1" != -- ]]; do
    extra+=("$1")
    shift
done
(($#)) && shift

python="${PYTHON:-python3}"
version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
place="build/versions/$version-$(basename "$profile")"
rm -rf "$place"
mkdir -p "$place"

"$python" -m venv "$place/tool"
"$place/tool/bin/pip" install --quiet --disable-pip-version-check uv
uv="$place/tool/bin/uv"
"$uv" venv --quiet --python "$python" "$place/venv"

# Wheels only: where there is none for this Python, a version is not admitted. pyftpdlib, a test's server, has none.
install=("$uv" pip install --quiet --python "$place/venv" --only-binary :all: --no-binary pyftpdlib)
grep -v '^-r' requirements-dev.txt >"$place/tests.txt"
case "$profile" in
    pins) "${install[@]}" -r requirements-dev.txt ;;
    oldest) "${install[@]}" --resolution lowest-direct -r pyproject.toml -r "$place/tests.txt" ;;
    *)
        # As in Airflow's image: first the package with the constraints, then what only the tests need.
        "${install[@]}" --constraint "$profile" -r pyproject.toml "${extra[@]}"
        "$uv" pip freeze --quiet --python "$place/venv" >"$place/installed.txt"
        cut -d= -f1 "$place/tests.txt" | grep -vxiFf <(cut -d= -f1 "$place/installed.txt") |
            "${install[@]}" --constraint "$place/installed.txt" -r -
        ;;
esac
"$uv" pip freeze --quiet --python "$place/venv" >"$place/installed.txt"

echo "Python $version, $profile: $(grep -c == "$place/installed.txt") packages, listed in $place/installed.txt"
export PYTHONPATH="$PWD/include"
exec "$place/venv/bin/python" -m pytest -m unit -n 2 -p no:cacheprovider tests/unit tests/vendors "$@"
