#!/bin/sh
# environment.sh NAME PACKAGE...: for the Dockerfile, the environment of one image.
#
# It is made at the place where it will stand, since its programs name that, and then moved
# aside. Without pip, tests and what else only an installation needs.
set -eu
name=$1
shift
python3 -m venv /opt/shoal
/opt/shoal/bin/pip install --quiet --no-cache-dir --no-compile --disable-pip-version-check \
  --constraint /constraints.txt --find-links /wheels "$@"
/opt/shoal/bin/pip uninstall --quiet --yes setuptools 2>/dev/null || true
/opt/shoal/bin/pip uninstall --quiet --yes pip
rm -rf /opt/shoal/include /opt/shoal/bin/activate* /opt/shoal/bin/Activate.ps1
find /opt/shoal -name __pycache__ -prune -exec rm -rf {} +
# By hash and unchecked: times play no part, and nothing is compiled again at a start.
PYTHONHASHSEED=0 /opt/shoal/bin/python -m compileall -q --invalidation-mode unchecked-hash \
  /opt/shoal/lib
mkdir -p /environments
mv /opt/shoal "/environments/$name"
