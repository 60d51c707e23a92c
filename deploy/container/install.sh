#!/bin/sh
# Installs paymon into a virtual environment of its own: install.sh SOURCE TARGET
# Only the packages of requirements-runtime.lock, by their hashes, then paymon itself without looking for more.
set -eu
source=$1
target=$2
python3 -m venv "$target"
"$target/bin/python" -m pip install --quiet --no-cache-dir --require-hashes --requirement "$source/requirements-runtime.lock"
"$target/bin/python" -m pip install --quiet --no-cache-dir --no-deps --no-build-isolation "$source"
"$target/bin/python" -m compileall -q "$target/lib" || true
"$target/bin/paymon" --version
