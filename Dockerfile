# One file, a target per image:
#   docker build --target node -t shoal-node .
#   docker build --target coordinator -t shoal-coordinator .
# Nothing is compiled in the images that run, and they run as an ordinary user.
ARG PYTHON=3.13

FROM rust:1-slim-bookworm AS wheels
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements-dev.txt pyproject.toml ./
RUN python3 -m venv /build \
 && /build/bin/pip install --no-cache-dir --constraint requirements-dev.txt maturin hatchling
COPY Cargo.toml Cargo.lock ./
COPY protos protos
COPY bench/loader bench/loader
COPY bench/plane bench/plane
COPY bench/replayer bench/replayer
COPY fuzz fuzz
COPY client client
COPY coordinator coordinator
COPY node node
# The extension uses CPython's stable ABI: one wheel serves every Python from 3.11.
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheels ./client ./coordinator \
 && cd node && /build/bin/maturin build --release --locked --out /wheels

FROM python:${PYTHON}-slim-bookworm AS runtime
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --no-create-home shoal
COPY requirements-dev.txt /tmp/constraints.txt

FROM runtime AS coordinator
RUN --mount=from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --constraint /tmp/constraints.txt --find-links /wheels \
      shoal shoal-coordinator
USER 10001
ENTRYPOINT ["shoal-coordinator"]

FROM runtime AS node
RUN --mount=from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir --constraint /tmp/constraints.txt --find-links /wheels \
      shoal shoal-coordinator shoal-node
USER 10001
ENTRYPOINT ["shoal-node"]
