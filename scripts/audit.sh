#!/usr/bin/env bash
# Compares the packages in .venv with the published security advisories. Exits with 1 if a package has one that is not
# accepted in scripts/audit_accepted.txt. Without access to the advisories nothing is checked: exits with 0 and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=build/audit # an environment of its own: its requirements are not ours
found=$tool/found.json

unchecked() {
    echo "Security advisories: nothing was checked, $1." >&2
    exit 0
}

if [[ ! -x $tool/bin/pip-audit ]]; then
    "${PYTHON:-python3}" -m venv "$tool"
    "$tool/bin/python" -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.9' 2>/dev/null ||
        unchecked "pip-audit could not be installed"
fi

accepted=()
while read -r name _; do
    [[ -z $name || $name == \#* ]] || accepted+=(--ignore-vuln "$name")
done <scripts/audit_accepted.txt

rm -f "$found"
timeout 120 "$tool/bin/pip-audit" --path "$(echo .venv/lib/python3*/site-packages)" --progress-spinner off \
    "${accepted[@]}" --format json --output "$found" >/dev/null 2>&1 || true
[[ -s $found ]] || unchecked "they could not be read"

"$tool/bin/python" - "$found" <<'PYTHON'
import json
import sys

packages = json.load(open(sys.argv[1], encoding="utf-8"))["dependencies"]
checked = [package for package in packages if "skip_reason" not in package]
found = [(package, one) for package in checked for one in package["vulns"]]
for package, one in found:
    fixed = ", ".join(one["fix_versions"]) or "no version yet"
    print(f"{package['name']} {package['version']}: {one['id']}, fixed in {fixed}")
print(f"Security advisories: {len(checked)} packages checked, {len(packages) - len(checked)} unknown to the index")
sys.exit(bool(found))
PYTHON
