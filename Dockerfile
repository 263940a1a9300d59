# One file, a target per image:
#   docker build --target node -t shoal-node .
#   docker build --target coordinator -t shoal-coordinator .
#   docker build --target tools -t shoal-tools .
# What runs holds no compiler, and runs as an ordinary user that can write nothing of it.
# docs/images.md says how to build where no registry of images can be reached.
ARG RUST_IMAGE=docker.io/library/rust:1-slim-bookworm
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm
# The wheels of Shoal itself: those that are built here, or an image that holds some in /wheels.
ARG WHEELS=built

FROM ${RUST_IMAGE} AS built
RUN if ! python3 -c 'import ensurepip' 2>/dev/null; then \
      apt-get update \
      && apt-get install -y --no-install-recommends python3 python3-venv \
      && rm -rf /var/lib/apt/lists/*; \
    fi
# Where pip is to trust another authority than it brings along.
ARG PIP_CERT
WORKDIR /src
COPY requirements-dev.txt ./
RUN python3 -m venv /build \
 && /build/bin/pip install --no-cache-dir --constraint requirements-dev.txt maturin hatchling
COPY pyproject.toml Cargo.toml Cargo.lock ./
COPY protos protos
COPY bench/loader bench/loader
COPY bench/pauses bench/pauses
COPY bench/plane bench/plane
COPY bench/replayer bench/replayer
COPY fuzz fuzz
COPY client client
COPY coordinator coordinator
COPY node node
# The extension uses CPython's stable ABI: one wheel serves every Python from 3.11.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels ./client ./coordinator \
 && cd node && /build/bin/maturin build --release --locked --strip --out /wheels

FROM ${WHEELS} AS wheels

# The environments that run, made by the Python that will run them. What is compiled is
# checked against nothing later, so that it is the same whenever it was made.
FROM ${PYTHON_IMAGE} AS environments
ARG PIP_CERT
COPY requirements-dev.txt /constraints.txt
COPY --from=wheels /wheels /wheels
COPY tools/images/environment.sh /environment.sh
RUN sh /environment.sh tools shoal \
 && sh /environment.sh coordinator shoal shoal-coordinator \
 && sh /environment.sh node shoal shoal-coordinator shoal-node

FROM ${PYTHON_IMAGE} AS runtime
ENV PATH=/opt/shoal/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /

FROM runtime AS tools
COPY --from=environments /environments/tools /opt/shoal
ENTRYPOINT ["shoal"]

FROM runtime AS coordinator
COPY --from=environments /environments/coordinator /opt/shoal
EXPOSE 7450 9450
ENTRYPOINT ["shoal-coordinator"]

FROM runtime AS node
COPY --from=environments /environments/node /opt/shoal
EXPOSE 7400 9400
ENTRYPOINT ["shoal-node"]
